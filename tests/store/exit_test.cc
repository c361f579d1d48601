// What runs at the end of a process still reaches the store. OpenSSL's own exit handler, registered
// when libcurl is loaded, would run before ours and pull the library away under it: a crash.
#include <catch2/catch.hpp>
#include <cstdio>
#include <string>

#include "tests/support/temp_dir.h"
#include "tests/support/text_reader.h"
#include "tests/support/tls_identity.h"
#include "tests/support/wire_server.h"

namespace litestream {
namespace {

TEST_CASE("http client: HTTPS in the exit handlers of a process") {
  const test::TempDir dir;
  const test::TlsIdentity identity = test::make_tls_identity();
  test::WireServer server(
      [](const test::WireRequest&) { return test::text_reply(200, "text/plain", "hello"); },
      &identity);
  const std::string ca_file = test::write_text_file(dir.file("ca.pem"), identity.ca_pem);
  const std::string command =
      std::string(LITESTREAM_EXIT_CHILD) + " " + server.url() + "/ " + ca_file + " 2>&1";
  FILE* pipe = ::popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string output;
  char buffer[512];
  while (std::fgets(buffer, sizeof buffer, pipe) != nullptr) output += buffer;
  const int status = ::pclose(pipe);
  INFO(output);
  CHECK(status == 0);
  CHECK(output == "before: hello\nkept connection: hello\nnew connection: hello\n");
}

}  // namespace
}  // namespace litestream
