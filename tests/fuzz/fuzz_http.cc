// Bytes on a connection. What must hold: however they are cut, the same requests come out of them;
// what is answered is HTTP, and a request that asks for nothing allowed changes nothing.
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "mcp/http_codec.h"
#include "mcp/litestream_features.h"
#include "tests/fuzz/fuzz.h"
#include "tests/mcp/fake_extension.h"

namespace {

using namespace litestream;

struct Server {
  Server() {
    test::install_fake_extension();
    test::set_fake_databases({"/data/app.db"});
    test::forbid_fake_restore_writes();
    auto created = Tools::create(pool);
    FUZZ_REQUIRE(created.ok());
    tools = std::move(created).value();
    auto made = LitestreamFeatures::create(*tools, {});
    FUZZ_REQUIRE(made.ok());
    features = std::move(made).value();
    mcp = std::make_unique<McpServer>(*features);
    endpoint = std::make_unique<HttpEndpoint>(*mcp, tools.get(), HttpAccess::Options());
    codec = std::make_unique<HttpCodec>(*endpoint);
    shared.clock = &system_clock();
  }
  SessionPool pool{{}};
  std::unique_ptr<Tools> tools;
  std::unique_ptr<LitestreamFeatures> features;
  std::unique_ptr<McpServer> mcp;
  std::unique_ptr<HttpEndpoint> endpoint;
  std::unique_ptr<HttpCodec> codec;
  HttpShared shared;
};

struct Frames {
  std::vector<HttpFrame> frames;
  int refusal_status = 0;
};

Frames frames_of(const std::string& bytes, size_t piece) {
  Frames found;
  HttpFraming framing;
  std::string buffer;
  for (size_t at = 0; at < bytes.size() && found.refusal_status == 0; at += piece) {
    buffer += bytes.substr(at, piece);
    while (framing.advance(buffer) == HttpFraming::State::kComplete) {
      found.frames.push_back(framing.take());
    }
    if (framing.state() == HttpFraming::State::kRefused) {
      found.refusal_status = framing.refusal_status();
    }
  }
  return found;
}

void serve(Server& server, HttpFrame frame) {
  int fds[2];
  FUZZ_REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
  auto connection = std::make_shared<HttpConnection>(server.shared, 1, fds[0]);
  server.codec->serve(connection, std::move(frame));
  char start[16] = {};
  const ssize_t n = ::recv(fds[1], start, sizeof start, MSG_DONTWAIT);
  FUZZ_REQUIRE(n >= 12 && std::string(start, 8) == "HTTP/1.1");
  connection->close();
  ::close(fds[1]);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Server server;
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  Frames whole = frames_of(bytes, bytes.size() + 1);
  const Frames cut = frames_of(bytes, 1 + bytes.size() / 7);
  FUZZ_REQUIRE(whole.refusal_status == cut.refusal_status);
  FUZZ_REQUIRE(whole.frames.size() == cut.frames.size());
  for (size_t i = 0; i < whole.frames.size(); ++i) {
    FUZZ_REQUIRE(whole.frames[i].head == cut.frames[i].head);
    FUZZ_REQUIRE(whole.frames[i].body == cut.frames[i].body);
    FUZZ_REQUIRE(whole.frames[i].head.size() <= kHttpHeadBytesMax + 4);
    serve(server, std::move(whole.frames[i]));
  }
  FUZZ_REQUIRE(server.shared.buffered_bytes == 0);
  return 0;
}
