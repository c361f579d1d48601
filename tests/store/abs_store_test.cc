// abs:// on a server that recomputes every signature.
#include "ext/store/abs_store.h"

#include <catch2/catch.hpp>
#include <ctime>

#include "ext/store/tree_store.h"
#include "tests/support/abs_server.h"
#include "tests/support/prng.h"
#include "tests/support/store_contract.h"
#include "tests/support/virtual_time.h"

namespace litestream {
namespace {

using test::AbsServer;

constexpr int64_t kTimeMs = 1767413106789;
const LtxFileInfo kFile{0, Txid{3}, Txid{3}, 0, kTimeMs};

struct Opening {
  std::vector<std::pair<std::string, std::string>> settings;
  std::string path = "app";
  test::VirtualTime* time = nullptr;
};

std::unique_ptr<LtxStore> open_abs(const AbsServer& server, const Opening& opening) {
  StoreSpec spec;
  spec.url = "abs://" + server.options().account + "@" + server.options().container + "/" +
             opening.path + "?endpoint=" + server.url();
  spec.settings = opening.settings;
  const auto options = resolve_abs_options(spec, nullptr);
  REQUIRE(options.ok());
  RemoteParts parts;
  parts.fs = &posix_file_system();
  if (opening.time != nullptr) parts.world = {opening.time, opening.time, 1};
  return std::make_unique<TreeStore>(make_abs_tree(*options, parts));
}

std::unique_ptr<LtxStore> open_with_key(const AbsServer& server,
                                        test::VirtualTime* time = nullptr) {
  return open_abs(server, {{{"account-key", server.options().key_base64}}, "app", time});
}

void check_log(const AbsServer& server) {
  for (const std::string& line : server.log()) {
    INFO(line);
    CHECK(line.find(" -> 400") == std::string::npos);
    CHECK(line.find(" -> 403") == std::string::npos);
  }
}

TEST_CASE("store contract: abs with the account's key") {
  AbsServer server({.list_page_max = 300});
  test::run_store_contract([&] {
    test::StoreBackend backend;
    backend.open = [&] { return open_with_key(server); };
    backend.has_lease = true;
    return backend;
  });
  check_log(server);
}

TEST_CASE("store contract: abs with a SAS token, a path to encode") {
  AbsServer server;
  const auto now_s = static_cast<int64_t>(std::time(nullptr));
  const std::string token = server.make_sas("rcwdl", now_s - 60, now_s + 3600);
  test::run_store_contract([&] {
    test::StoreBackend backend;
    backend.open = [&] {
      return open_abs(server, {{{"sas-token", "?" + token}}, "a%20b/%C3%BC+(x)", nullptr});
    };
    backend.has_lease = true;
    backend.many_files_count = 600;
    return backend;
  });
  check_log(server);
}

TEST_CASE("abs: layout, metadata, blocks") {
  AbsServer server;
  const auto store = open_with_key(server);
  REQUIRE(store->check_writable().ok());
  CHECK(server.blobs().empty());
  REQUIRE(test::put_file(*store, kFile, "the bytes").ok());
  const std::string name = "app/ltx/0/0000000000000003-0000000000000003.ltx";
  CHECK(server.blobs().at(name) == "the bytes");
  CHECK(server.metadata(name, "litestreamtimestamp") == "2026-01-03T04:05:06.789Z");
  const std::string content = test::Prng(1).bytes((9 << 20) + 5);
  const LtxFileInfo large{9, Txid{1}, Txid{3}, 0, kTimeMs};
  REQUIRE(test::put_file(*store, large, content).ok());
  CHECK(server.count("block") == 3);
  const std::string large_name = "app/ltx/9/0000000000000001-0000000000000003.ltx";
  CHECK(server.blobs().at(large_name) == content);
  CHECK_FALSE(server.metadata(large_name, "litestreamtimestamp").empty());
  CHECK(test::put_file(*store, large, content).ok());
  CHECK(test::put_file(*store, large, content.substr(1)).code() == StatusCode::kAlreadyExists);
  CHECK(test::get_file(*store, large, 1 << 20).value() == content);
  check_log(server);
}

TEST_CASE("abs: wrong keys, ended and narrow tokens are refused by the server and said so") {
  AbsServer server;
  const auto now_s = static_cast<int64_t>(std::time(nullptr));
  const auto code_with = [&](const char* setting, const std::string& value) {
    const auto store = open_abs(server, {{{setting, value}}, "app", nullptr});
    const Status status = test::put_file(*store, kFile, "x");
    CHECK(status.message().find(value) == std::string::npos);
    return status.code();
  };
  CHECK(code_with("account-key", "d3Jvbmcga2V5") == StatusCode::kIo);
  CHECK(code_with("sas-token", server.make_sas("rcwdl", now_s - 60, now_s - 1)) == StatusCode::kIo);
  CHECK(code_with("sas-token", server.make_sas("rl", now_s - 60, now_s + 60)) == StatusCode::kIo);
  CHECK(server.blobs().empty());
}

TEST_CASE("abs: faults on the way") {
  AbsServer server;
  test::VirtualTime time(system_clock().wall_ms());
  const auto store = open_with_key(server, &time);
  int number = 0;
  server.set_hook([&](const AbsServer::Call& call) -> std::optional<AbsServer::Instead> {
    AbsServer::Instead instead;
    switch (++number % 4) {
      case 0: return std::nullopt;
      case 1: instead.reply = AbsServer::error(503, "ServerBusy"); break;
      case 2:
        instead.reply.is_lost = true;
        instead.is_done = call.kind != "commit";
        break;
      default: instead.reply = AbsServer::error(500, "OperationTimedOut"); break;
    }
    return instead;
  });
  const std::string content = test::Prng(2).bytes((9 << 20) + 5);
  const LtxFileInfo large{9, Txid{1}, Txid{3}, 0, kTimeMs};
  CHECK(test::put_file(*store, large, content).ok());
  CHECK(test::put_file(*store, kFile, "x").ok());
  CHECK(test::get_file(*store, large, 1 << 20).value() == content);
  CHECK(store->list(9).value().size() == 1);
  const std::vector<LtxFileInfo> files = {kFile, large};
  CHECK(store->remove(files, nullptr).value().empty());
  server.set_hook([&](const AbsServer::Call&) {
    AbsServer::Instead instead;
    instead.reply = AbsServer::error(503, "ServerBusy");
    return std::optional(instead);
  });
  CHECK(test::put_file(*store, kFile, "x").code() == StatusCode::kUnavailable);
  CHECK(store->list(0).status().code() == StatusCode::kUnavailable);
  CHECK(store->remove(files, nullptr).value() == files);
}

TEST_CASE("abs: URLs and settings") {
  const StoreEnvironment none = [](const std::string&) { return std::nullopt; };
  const StoreEnvironment ambient = [](const std::string& name) -> std::optional<std::string> {
    if (name == "LITESTREAM_AZURE_ACCOUNT_KEY") return "c2VjcmV0";
    return std::nullopt;
  };
  StoreSpec spec;
  spec.url = "abs://account@container/a//b/./c/";
  auto options = resolve_abs_options(spec, ambient);
  REQUIRE(options.ok());
  CHECK(options->account == "account");
  CHECK(options->container == "container");
  CHECK(options->prefix == "a/b/c");
  CHECK(options->endpoint.url() == "https://account.blob.core.windows.net");
  CHECK(options->url == "abs://account@container/a/b/c");
  CHECK(resolve_abs_options(spec, none).status().code() == StatusCode::kInvalidArgument);
  // A URL with its own endpoint gets nothing of the environment; one beside the URL does.
  spec.url += "?endpoint=http://evil.example";
  CHECK_FALSE(resolve_abs_options(spec, ambient).ok());
  spec.url = "abs://container/a";
  spec.settings = {{"account-name", "account"}, {"endpoint", "http://127.0.0.1:10000/account"}};
  options = resolve_abs_options(spec, ambient);
  REQUIRE(options.ok());
  CHECK(options->url ==
        "abs://account@container/a?endpoint=http://127.0.0.1:10000/account");
  for (const char* url : {"abs://container", "abs://", "abs://account:key@container",
                          "abs://account@Container", "abs://account@c/?x=1"}) {
    CAPTURE(url);
    StoreSpec bad;
    bad.url = url;
    const auto refused = resolve_abs_options(bad, ambient);
    CHECK(refused.status().code() == StatusCode::kInvalidArgument);
  }
  for (const auto& setting : std::vector<std::pair<std::string, std::string>>{
           {"account-key", "not base64!"}, {"sas-token", "nonsense"}, {"region", "x"}}) {
    StoreSpec bad;
    bad.url = "abs://account@container";
    bad.settings = {setting};
    const auto refused = resolve_abs_options(bad, none);
    CHECK(refused.status().code() == StatusCode::kInvalidArgument);
    CHECK(refused.status().message().find(setting.second + "!") == std::string::npos);
  }
}

}  // namespace
}  // namespace litestream
