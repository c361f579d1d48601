// Everything between SQL and the sockets, over the double of the extension.
#pragma once

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "mcp/http_endpoint.h"
#include "mcp/mcp_server.h"
#include "mcp/session_pool.h"
#include "mcp/tools.h"
#include "tests/mcp/fake_extension.h"

namespace litestream::test {

struct McpFixture {
  explicit McpFixture(bool check_host = true) {
    install_fake_extension();
    set_fake_databases({"/data/app.db"});
    auto created = Tools::create(pool);
    REQUIRE(created.ok());
    tools = std::move(created).value();
    server = std::make_unique<McpServer>(*tools);
    HttpEndpoint::Options options;
    options.check_host = check_host;
    endpoint = std::make_unique<HttpEndpoint>(*server, *tools, options);
  }

  SessionPool pool{{}};
  std::unique_ptr<Tools> tools;
  std::unique_ptr<McpServer> server;
  std::unique_ptr<HttpEndpoint> endpoint;
};

}  // namespace litestream::test
