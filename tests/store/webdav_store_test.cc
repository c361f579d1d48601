// webdav:// and webdavs:// on Apache, and on a scripted server for what Apache never does.
#include "ext/store/webdav_store.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "ext/base/clock.h"
#include "ext/store/tree_store.h"
#include "tests/support/dav_server.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/prng.h"
#include "tests/support/store_contract.h"
#include "tests/support/temp_dir.h"
#include "tests/support/text_reader.h"
#include "tests/support/virtual_time.h"
#include "tests/support/wire_server.h"

namespace litestream {
namespace {

using test::DavServer;
using test::WireReply;
using test::WireRequest;

constexpr int64_t kTimeMs = 1767413106789;
const LtxFileInfo kFile{0, Txid{3}, Txid{3}, 0, kTimeMs};
constexpr char kName[] = "ltx/0/0000000000000003-0000000000000003.ltx";

std::string text_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

WebdavOptions options_for(const std::string& url,
                          std::vector<std::pair<std::string, std::string>> settings = {}) {
  StoreSpec spec;
  spec.url = url;
  spec.settings = std::move(settings);
  const auto options = resolve_webdav_options(spec, nullptr);
  INFO(options.status().message());
  REQUIRE(options.ok());
  return *options;
}

std::unique_ptr<LtxStore> open_dav(WebdavOptions options, test::VirtualTime* time = nullptr,
                                   FileSystem& fs = posix_file_system()) {
  RemoteParts parts;
  parts.fs = &fs;
  if (time != nullptr) parts.world = {time, time, 1};
  return std::make_unique<TreeStore>(make_webdav_tree(std::move(options), parts));
}

WebdavOptions on_apache(const DavServer& server, const std::string& path) {
  return options_for("webdav://tester:correct%20horse%2Fbattery%3Astaple@" + server.authority() +
                     "/" + path);
}

TEST_CASE("store contract: webdav on Apache") {
  DavServer server;
  int number = 0;
  test::run_store_contract([&] {
    const std::string path = "a%20b/%25/" + std::to_string(++number);
    test::StoreBackend backend;
    backend.open = [&server, path] { return open_dav(on_apache(server, path)); };
    backend.many_files_count = 600;
    return backend;
  });
}

TEST_CASE("store contract: webdavs on Apache, HTTP/2") {
  DavServer server(true);
  test::run_store_contract([&] {
    test::StoreBackend backend;
    backend.open = [&] {
      return open_dav(options_for(
          "webdavs://" + server.authority() + "/app?skip-verify=true",
          {{"webdav-username", server.user()}, {"webdav-password", server.password()}}));
    };
    backend.many_files_count = 100;
    return backend;
  });
  CHECK(server.log().find("HTTP/1.1") == std::string::npos);
}

TEST_CASE("webdav: a folder that is removed comes back") {
  DavServer server(true);
  const auto store = open_dav(
      options_for("webdavs://" + server.authority() + "/app?skip-verify=true",
                  {{"webdav-username", server.user()}, {"webdav-password", server.password()}}));
  const std::string content(1 << 20, 'x');
  REQUIRE(test::put_file(*store, kFile, content).ok());
  CHECK(server.log().find("HTTP/2.0 PUT") != std::string::npos);
  std::filesystem::remove_all(server.root() + "/app");
  CHECK_FALSE(test::put_file(*store, kFile, content).ok());
  CHECK(test::put_file(*store, kFile, content).ok());
}

TEST_CASE("webdav: layout, times, nothing temporary is left") {
  const test::TempDir dir;
  DavServer server;
  WebdavOptions options = on_apache(server, "app");
  options.spill_directory = dir.path();
  const auto store = open_dav(options);
  REQUIRE(store->check_writable().ok());
  const std::string content = test::Prng(1).bytes((9 << 20) + 5);
  const LtxFileInfo large{9, Txid{1}, Txid{3}, 0, kTimeMs};
  REQUIRE(test::put_file(*store, kFile, "the bytes").ok());
  REQUIRE(test::put_file(*store, large, content).ok());
  CHECK(test::put_file(*store, large, content).ok());
  CHECK(test::put_file(*store, large, content + "x").code() == StatusCode::kAlreadyExists);
  { REQUIRE((*store->create(large))->append(as_bytes(content)).ok()); }
  CHECK(test::get_file(*store, large, 1 << 20).value() == content);
  CHECK(text_of(server.root() + "/app/" + kName) == "the bytes");
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(server.root())) {
    const bool is_state = entry.path().string().find("/.DAV") != std::string::npos;
    if (entry.is_regular_file() && !is_state) files.push_back(entry.path());
  }
  CHECK(files.size() == 2);
  CHECK(std::filesystem::is_empty(dir.path()));
}

TEST_CASE("webdav: what crashed writers left is cleared away a day later") {
  DavServer server;
  const auto store = open_dav(on_apache(server, "app"));
  REQUIRE(test::put_file(*store, kFile, "x").ok());
  const std::string folder = server.root() + "/app/ltx/0/";
  const auto leave = [&](int64_t age_s) {
    char time[20];
    std::snprintf(time, sizeof time, "%llx",
                  static_cast<unsigned long long>(system_clock().wall_ms() / 1000 - age_s));
    const std::string path =
        folder + ".0000000000000004-0000000000000004.ltx.litestream-tmp-" + time + "-01234567";
    test::write_text_file(path, "x");
    test::give_to_nobody(path);
    return path;
  };
  const std::string old_path = leave(90'000);
  const std::string young_path = leave(3600);
  REQUIRE(store->check_writable().ok());
  CHECK_FALSE(std::filesystem::exists(old_path));
  CHECK(std::filesystem::exists(young_path));
  CHECK(store->list(0).value().size() == 1);
}

TEST_CASE("webdav: wrong passwords are refused and not shown") {
  DavServer server;
  const auto store =
      open_dav(options_for("webdav://tester:not-the-password@" + server.authority() + "/app"));
  Status why;
  const std::vector<LtxFileInfo> files = {kFile};
  (void)store->remove(files, &why).ok();
  for (const Status& status : {test::put_file(*store, kFile, "x"), store->list(0).status(),
                               store->check_writable(), why}) {
    CHECK(status.code() == StatusCode::kIo);
    CHECK(status.message().find("not-the-password") == std::string::npos);
    CHECK(status.message().find("credentials") != std::string::npos);
  }
  CHECK(store->url() == "webdav://tester@" + server.authority() + "/app");
}

TEST_CASE("webdav: the folder of temporary files is full") {
  const test::TempDir dir;
  DavServer server;
  for (uint64_t n = 1;; ++n) {
    CAPTURE(n);
    test::FaultFileSystem fs(posix_file_system());
    WebdavOptions options = on_apache(server, "app" + std::to_string(n));
    options.spill_directory = dir.path();
    const auto store = open_dav(options, nullptr, fs);
    fs.fail_call(n, test::FaultFileSystem::After::kRecovers);
    const std::string content(5 << 20, 'x');
    const Status status = test::put_file(*store, kFile, content);
    if (!fs.fired()) {
      CHECK(status.ok());
      break;
    }
    CHECK_FALSE(status.ok());
    CHECK(store->list(0).value().empty());
    REQUIRE(n < 100);
  }
}

// A server with the manners of a test.
struct Script {
  std::function<WireReply(const WireRequest&)> answer;
  std::vector<WireRequest> seen;
  test::WireServer server{[this](const WireRequest& request) {
    seen.push_back(request);
    return answer(request);
  }};
  test::VirtualTime time{system_clock().wall_ms()};
  std::unique_ptr<LtxStore> open() {
    return open_dav(options_for("webdav://" + server.authority() + "/app"), &time);
  }
};

WireReply reply_of(int status) { return test::text_reply(status, "text/plain", ""); }

TEST_CASE("webdav: a server that throws the body away is found out") {
  Script script;
  script.answer = [](const WireRequest& request) {
    if (request.method == "HEAD") return reply_of(200);
    return reply_of(201);
  };
  const Status status = test::put_file(*script.open(), kFile, "the bytes");
  CHECK(status.code() == StatusCode::kCorrupt);
  CHECK(script.seen.back().method == "DELETE");
  for (const WireRequest& request : script.seen) CHECK(request.method != "MOVE");
  CHECK(script.seen.at(1).method == "PUT");
  CHECK(script.seen.at(1).header("content-length") == "9");
}

TEST_CASE("webdav: a lost answer to MOVE is no second file and no error") {
  DavServer apache;
  const auto store = open_dav(on_apache(apache, "app"));
  REQUIRE(test::put_file(*store, kFile, "the bytes").ok());
  Script script;
  int move_count = 0;
  script.answer = [&](const WireRequest& request) {
    WireReply reply = reply_of(201);
    if (request.method == "HEAD" || request.method == "GET") {
      reply = test::text_reply(200, "application/octet-stream", "the bytes");
    }
    if (request.method == "MOVE") {
      CHECK(request.header("overwrite") == "F");
      CHECK(request.header("destination") == script.server.url() + "/app/" + kName);
      reply.is_lost = ++move_count == 1;
      if (move_count > 1) reply = reply_of(404);
    }
    return reply;
  };
  CHECK(test::put_file(*script.open(), kFile, "the bytes").ok());
  CHECK(move_count == 2);
}

TEST_CASE("webdav: 503 passes, 507 is said") {
  Script script;
  int count = 0;
  script.answer = [&](const WireRequest& request) {
    if (++count % 2 == 1) return reply_of(503);
    if (request.method == "HEAD") return test::text_reply(200, "text/plain", "the bytes");
    return reply_of(201);
  };
  CHECK(test::put_file(*script.open(), kFile, "the bytes").ok());
  script.answer = [](const WireRequest&) { return reply_of(507); };
  const Status full = test::put_file(*script.open(), kFile, "the bytes");
  CHECK(full.message().find("507") != std::string::npos);
}

TEST_CASE("webdav: listings of other servers") {
  const std::string folder = "/dav/a b/ltx/0";
  const auto entry = [](const std::string& href, const std::string& props) {
    return "<d:response><d:href>" + href + "</d:href><d:propstat><d:prop>" + props +
           "</d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>";
  };
  const std::string file = "<d:resourcetype/><d:getcontentlength>7</d:getcontentlength>";
  const std::string collection = "<d:resourcetype><d:collection/></d:resourcetype>";
  const auto parse = [&](const std::string& content) {
    return parse_multistatus(
        "<?xml version=\"1.0\"?><d:multistatus xmlns:d=\"DAV:\">" + content + "</d:multistatus>",
        folder);
  };
  const std::string self = entry("/dav/a%20b/ltx/0/", collection);
  auto entries = parse(self + entry("/dav/a%20b/ltx/0/x.ltx", file) +
                       entry("https://host:8443/dav/a%20b/ltx/0/%C3%BC", file) +
                       entry("/dav/a%20b/ltx/0/sub/", collection));
  REQUIRE(entries.ok());
  REQUIRE(entries->size() == 3);
  CHECK(entries->at(0).name == "x.ltx");
  CHECK(entries->at(0).size_bytes == 7);
  CHECK(entries->at(1).name == "\xC3\xBC");
  CHECK(entries->at(2).is_folder);
  CHECK_FALSE(parse(self + entry("/elsewhere/x", file)).ok());
  CHECK_FALSE(parse(self + entry("/dav/a%20b/ltx/0/sub/deep", file)).ok());
  CHECK_FALSE(parse(self + entry("/dav/a%20b/ltx/0/x", "<d:resourcetype/>")).ok());
  CHECK_FALSE(parse(self + entry("/dav/a%20b/ltx/0/x",
                                 "<d:getcontentlength>-1"
                                 "</d:getcontentlength>"))
                  .ok());
  CHECK_FALSE(parse_multistatus("<html/>", folder).ok());
  CHECK_FALSE(parse_multistatus("<d:multistatus xmlns:d=\"DAV:\">", folder).ok());
}

TEST_CASE("webdav: URLs and settings") {
  const WebdavOptions options =
      options_for("webdavs://u:p%40ss@Host.Example:8443//a//b/", {{"webdav-password", "other"}});
  CHECK(options.origin == "https://host.example:8443");
  CHECK(options.root == "/a/b");
  CHECK(options.user_name == "u");
  CHECK(options.password == "other");
  CHECK(options.url == "webdavs://u@host.example:8443/a/b");
  const Url url = parse_url("webdav://u:p%40ss@h/x?skipVerify=true").value();
  CHECK(normalize_webdav_url(url, UrlSecrets::kKept).value() ==
        "webdav://u:p%40ss@h/x?skip-verify=true");
  CHECK(normalize_webdav_url(url, UrlSecrets::kDropped).value() ==
        "webdav://u@h/x?skip-verify=true");
  for (const char* text : {"webdav://", "webdav:///x", "webdav://u:secret%@h/x",
                           "webdav://h:port/x", "webdav://h/x?region=secret"}) {
    CAPTURE(text);
    StoreSpec spec;
    spec.url = text;
    const auto refused = resolve_webdav_options(spec, nullptr);
    CHECK(refused.status().code() == StatusCode::kInvalidArgument);
    CHECK(refused.status().message().find("secret") == std::string::npos);
  }
}

}  // namespace
}  // namespace litestream
