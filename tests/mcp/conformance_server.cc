// The protocol core and the HTTP server of the program with the fixtures of the public conformance
// suite. Prints its URL and serves until standard input ends.
#include <csignal>
#include <cstdio>

#include "mcp/http_server.h"
#include "tests/mcp/conformance_fixtures.h"

int main() {
  using namespace litestream;
  std::signal(SIGPIPE, SIG_IGN);
  test::ConformanceFixtures fixtures;
  McpServer server(fixtures);
  fixtures.set_publish([&](const McpChange& change) { server.publish(change); });
  HttpEndpoint endpoint(server, nullptr, HttpAccess::Options());
  const auto http = HttpServer::start({"localhost", 0}, endpoint);
  if (!http.ok()) {
    std::fprintf(stderr, "%s\n", http.status().message().c_str());
    return 1;
  }
  std::printf("%s\n", (*http)->url().c_str());
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  server.close_streams();
  return 0;
}
