// gs:// on a server that recomputes every signature and checks every token's statement.
#include "ext/store/gs_store.h"

#include <catch2/catch.hpp>
#include <ctime>

#include "ext/store/tree_store.h"
#include "tests/support/gs_server.h"
#include "tests/support/prng.h"
#include "tests/support/store_contract.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_hash.h"
#include "tests/support/text_reader.h"
#include "tests/support/virtual_time.h"

namespace litestream {
namespace {

using test::GsServer;

constexpr int64_t kTimeMs = 1767413106789;
const LtxFileInfo kFile{0, Txid{3}, Txid{3}, 0, kTimeMs};
const LtxFileInfo kLarge{9, Txid{1}, Txid{3}, 0, kTimeMs};
constexpr char kLargeName[] = "app/ltx/9/0000000000000001-0000000000000003.ltx";

using Settings = std::vector<std::pair<std::string, std::string>>;

std::unique_ptr<LtxStore> open_gs(const GsServer& server, const Settings& settings,
                                  const std::string& path = "app",
                                  test::VirtualTime* time = nullptr) {
  StoreSpec spec;
  spec.url = "gs://" + server.options().bucket + "/" + path + "?endpoint=" + server.url();
  spec.settings = settings;
  const auto options = resolve_gs_options(spec, nullptr);
  REQUIRE(options.ok());
  RemoteParts parts;
  parts.fs = &posix_file_system();
  if (time != nullptr) parts.world = {time, time, 1};
  return std::make_unique<TreeStore>(make_gs_tree(*options, parts));
}

Settings hmac_settings(const GsServer& server) {
  return {{"access-key-id", server.options().access_key},
          {"secret-access-key", server.options().secret_key}};
}

void check_log(const GsServer& server) {
  for (const std::string& line : server.log()) {
    INFO(line);
    CHECK(line.find(" -> 400") == std::string::npos);
    CHECK(line.find(" -> 401") == std::string::npos);
    CHECK(line.find(" -> 403") == std::string::npos);
  }
}

TEST_CASE("store contract: gs with an HMAC key") {
  GsServer server({.list_page_max = 300});
  test::run_store_contract([&] {
    test::StoreBackend backend;
    backend.open = [&] { return open_gs(server, hmac_settings(server)); };
    backend.has_lease = true;
    return backend;
  });
  check_log(server);
}

TEST_CASE("store contract: gs with a service account, a path to encode") {
  const test::TempDir dir;
  GsServer server;
  const Settings settings = {
      {"key-path", test::write_text_file(dir.file("key.json"), server.service_account_json())}};
  test::run_store_contract([&] {
    test::StoreBackend backend;
    backend.open = [&] { return open_gs(server, settings, "a%20b/%C3%BC+(x)"); };
    backend.has_lease = true;
    backend.many_files_count = 600;
    return backend;
  });
  check_log(server);
}

TEST_CASE("gs: layout, metadata, resumable uploads") {
  GsServer server;
  const auto store = open_gs(server, hmac_settings(server));
  REQUIRE(store->check_writable().ok());
  CHECK(server.objects().empty());
  REQUIRE(test::put_file(*store, kFile, "the bytes").ok());
  const std::string name = "app/ltx/0/0000000000000003-0000000000000003.ltx";
  CHECK(server.objects().at(name) == "the bytes");
  CHECK(server.metadata(name, "litestream-timestamp") == "2026-01-03T04:05:06.789Z");
  const std::string content = test::Prng(1).bytes((17 << 20) + 5);
  REQUIRE(test::put_file(*store, kLarge, content).ok());
  CHECK(server.count("chunk") == 3);
  CHECK(server.objects().at(kLargeName) == content);
  CHECK_FALSE(server.metadata(kLargeName, "litestream-timestamp").empty());
  CHECK(test::put_file(*store, kLarge, content).ok());
  CHECK(test::put_file(*store, kLarge, content.substr(1)).code() == StatusCode::kAlreadyExists);
  CHECK(test::get_file(*store, kLarge, 1 << 20).value() == content);
  CHECK(server.upload_count() == 0);
  check_log(server);
}

TEST_CASE("gs: an upload that is given up is cancelled, one that is kept in pieces arrives") {
  GsServer server;
  const auto store = open_gs(server, hmac_settings(server));
  const std::string content = test::Prng(1).bytes((17 << 20) + 5);
  {
    auto writer = store->create(kLarge);
    REQUIRE((*writer)->append(as_bytes(content)).ok());
    CHECK(server.upload_count() == 1);
  }
  CHECK(server.upload_count() == 0);
  CHECK(server.objects().empty());
  server.set_chunk_kept_max(3 << 20);
  REQUIRE(test::put_file(*store, kLarge, content).ok());
  CHECK(server.objects().at(kLargeName) == content);
}

TEST_CASE("gs: a wrong secret and a foreign service account are refused by the server") {
  const test::TempDir dir;
  GsServer server;
  GsServer other;
  Settings settings = hmac_settings(server);
  settings[1].second += "x";
  const Status wrong = test::put_file(*open_gs(server, settings), kFile, "x");
  CHECK(wrong.code() == StatusCode::kIo);
  CHECK(wrong.message().find(settings[1].second) == std::string::npos);
  // Another project's key, sent to this one's token service.
  std::string json = other.service_account_json();
  json.replace(json.find(other.url()), other.url().size(), server.url());
  settings = {{"key-path", test::write_text_file(dir.file("key.json"), json)}};
  const Status foreign = test::put_file(*open_gs(server, settings), kFile, "x");
  CHECK(foreign.code() == StatusCode::kIo);
  CHECK(foreign.message().find("invalid_grant") != std::string::npos);
  CHECK(server.objects().empty());
}

TEST_CASE("gs: tokens are kept, renewed before they end and after they were refused") {
  const test::TempDir dir;
  GsServer server({.token_lifetime_s = 300});
  const Settings settings = {
      {"key-path", test::write_text_file(dir.file("key.json"), server.service_account_json())}};
  test::VirtualTime time(system_clock().wall_ms());
  const auto store = open_gs(server, settings, "app", &time);
  for (int i = 0; i < 5; ++i) REQUIRE(store->list(0).ok());
  CHECK(server.count("token") == 1);
  time.advance_ms(160'000);
  REQUIRE(store->list(0).ok());
  CHECK(server.count("token") == 2);
  server.revoke_tokens();
  REQUIRE(store->list(0).ok());
  CHECK(server.count("token") == 3);
}

TEST_CASE("gs: faults on the way") {
  GsServer server;
  test::VirtualTime time(system_clock().wall_ms());
  const auto store = open_gs(server, hmac_settings(server), "app", &time);
  int number = 0;
  server.set_hook([&](const GsServer::Call&) -> std::optional<GsServer::Instead> {
    GsServer::Instead instead;
    switch (++number % 4) {
      case 0: return std::nullopt;
      case 1: instead.reply = GsServer::error(503, "ServiceUnavailable"); break;
      case 2:
        instead.reply.is_lost = true;
        instead.is_done = true;
        break;
      default: instead.reply = GsServer::error(500, "InternalError"); break;
    }
    return instead;
  });
  const std::string content = test::Prng(2).bytes((17 << 20) + 5);
  CHECK(test::put_file(*store, kLarge, content).ok());
  CHECK(test::put_file(*store, kFile, "x").ok());
  CHECK(test::get_file(*store, kLarge, 1 << 20).value() == content);
  CHECK(store->list(9).value().size() == 1);
  const std::vector<LtxFileInfo> files = {kFile, kLarge};
  CHECK(store->remove(files, nullptr).value().empty());
  server.set_hook([&](const GsServer::Call&) {
    GsServer::Instead instead;
    instead.reply = GsServer::error(503, "ServiceUnavailable");
    return std::optional(instead);
  });
  CHECK(test::put_file(*store, kFile, "x").code() == StatusCode::kUnavailable);
  CHECK(store->list(0).status().code() == StatusCode::kUnavailable);
  CHECK(store->remove(files, nullptr).value() == files);
}

TEST_CASE("gs: RS256 is what another library makes and checks") {
  const test::RsaKeyPair pair = test::make_rsa_key_pair();
  const auto key = RsaPrivateKey::from_pem(pair.private_pem);
  REQUIRE(key.ok());
  for (const char* text :
       {"", "header.claims", "something longer than one block of a hash, surely"}) {
    const auto signature = (*key)->sign_rs256(as_bytes(text));
    REQUIRE(signature.ok());
    const std::string bytes(signature->begin(), signature->end());
    CHECK(test::verify_rs256(pair.public_pem, text, bytes));
    CHECK_FALSE(test::verify_rs256(pair.public_pem, std::string(text) + "x", bytes));
  }
  std::string cut = pair.private_pem;
  cut.resize(cut.size() / 2);
  std::string damaged = pair.private_pem;
  damaged.replace(100, 4, "AAAA");
  for (const std::string& pem :
       {std::string(), std::string("-----BEGIN PRIVATE KEY-----"), cut, pair.public_pem,
        std::string("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
        std::string("-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----\n")}) {
    CHECK(RsaPrivateKey::from_pem(pem).status().code() == StatusCode::kInvalidArgument);
  }
  // Whatever a damaged one is, it does not crash and signs nothing that verifies.
  const auto odd = RsaPrivateKey::from_pem(damaged);
  if (odd.ok()) {
    const auto signature = (*odd)->sign_rs256(as_bytes("x"));
    const std::string bytes =
        signature.ok() ? std::string(signature->begin(), signature->end()) : "";
    CHECK_FALSE(test::verify_rs256(pair.public_pem, "x", bytes));
  }
}

TEST_CASE("gs: URLs, settings and key files") {
  const StoreEnvironment none = [](const std::string&) { return std::nullopt; };
  const StoreEnvironment ambient = [](const std::string& name) -> std::optional<std::string> {
    if (name == "GOOGLE_APPLICATION_CREDENTIALS") return "/key.json";
    return std::nullopt;
  };
  StoreSpec spec;
  spec.url = "gs://bucket/a//b/./c/";
  auto options = resolve_gs_options(spec, ambient);
  REQUIRE(options.ok());
  CHECK(options->prefix == "a/b/c");
  CHECK(options->key_path == "/key.json");
  CHECK(options->endpoint.url() == "https://storage.googleapis.com");
  CHECK(options->url == "gs://bucket/a/b/c");
  CHECK_FALSE(resolve_gs_options(spec, none).ok());
  spec.url += "?endpoint=http://evil.example";
  CHECK_FALSE(resolve_gs_options(spec, ambient).ok());
  spec.url = "gs://bucket";
  spec.settings = {{"endpoint", "http://127.0.0.1:9000"}};
  CHECK_FALSE(resolve_gs_options(spec, ambient).ok());
  for (const char* url : {"gs://", "gs://b", "gs://key@bucket", "gs://Bucket", "gs://bucket?x=1"}) {
    CAPTURE(url);
    StoreSpec bad;
    bad.url = url;
    CHECK(resolve_gs_options(bad, ambient).status().code() == StatusCode::kInvalidArgument);
  }
  const std::string good = GsServer().service_account_json();
  CHECK(parse_service_account(good).ok());
  const auto without = [&](const std::string& from, const std::string& to) {
    std::string json = good;
    json.replace(json.find(from), from.size(), to);
    return parse_service_account(json).status().code();
  };
  CHECK(without("client_email", "x") == StatusCode::kInvalidArgument);
  CHECK(without("http://127.0.0.1", "http://evil.example") == StatusCode::kInvalidArgument);
  CHECK(without("PRIVATE KEY", "PUBLIC KEY") == StatusCode::kInvalidArgument);
  for (const char* json : {"", "[]", "{", "{\"client_email\":[]}"}) {
    CHECK(parse_service_account(json).status().code() == StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace litestream
