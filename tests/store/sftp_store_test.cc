// sftp:// on Debian's sshd.
#include "ext/store/sftp_store.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <thread>

#include "ext/base/clock.h"
#include "ext/ltx/header.h"
#include "ext/store/tree_store.h"
#include "tests/support/prng.h"
#include "tests/support/ssh_server.h"
#include "tests/support/store_contract.h"
#include "tests/support/text_reader.h"

namespace litestream {
namespace {

using test::SshServer;

constexpr int64_t kTimeMs = 1767413106789;
const LtxFileInfo kFile{0, Txid{3}, Txid{3}, 0, kTimeMs};
constexpr char kName[] = "/ltx/0/0000000000000003-0000000000000003.ltx";

using Settings = std::vector<std::pair<std::string, std::string>>;

std::string text_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::unique_ptr<LtxStore> open_sftp(const SshServer& server, Settings settings,
                                    const std::string& path = "/app",
                                    const std::string& home = "") {
  StoreSpec spec;
  spec.url =
      "sftp://tester@" + server.authority() + percent_encode(server.root() + path, Slashes::kKept);
  spec.settings = std::move(settings);
  const auto options =
      resolve_sftp_options(spec, [home](const std::string& name) -> std::optional<std::string> {
        if (name == "HOME" && !home.empty()) return home;
        return std::nullopt;
      });
  INFO(options.status().message());
  REQUIRE(options.ok());
  RemoteParts parts;
  parts.fs = &posix_file_system();
  parts.policy.first_delay_ms = 20;
  return std::make_unique<TreeStore>(make_sftp_tree(*options, parts));
}

Settings by_key(const SshServer& server) {
  return {{"key-path", server.key_path()}, {"host-key", server.host_key()}};
}

Settings by_password(const SshServer& server) {
  return {{"password", server.password()}, {"host-key", "SHA256:" + server.host_key_sha256()}};
}

TEST_CASE("store contract: sftp with a key") {
  SshServer server;
  int number = 0;
  test::run_store_contract([&] {
    const std::string path = "/a b'\"\\/" + std::to_string(++number);
    test::StoreBackend backend;
    backend.open = [&server, path] { return open_sftp(server, by_key(server), path); };
    backend.many_files_count = 300;
    return backend;
  });
}

TEST_CASE("store contract: sftp with a password, one connection") {
  SshServer server;
  test::run_store_contract([&] {
    test::StoreBackend backend;
    backend.open = [&] {
      Settings settings = by_password(server);
      settings.emplace_back("concurrent-writes", "false");
      return open_sftp(server, settings);
    };
    backend.many_files_count = 50;
    return backend;
  });
}

TEST_CASE("sftp: layout, times, chunks, nothing temporary is left") {
  SshServer server;
  const auto store = open_sftp(server, by_key(server));
  REQUIRE(store->check_writable().ok());
  REQUIRE(test::put_file(*store, kFile, "the bytes").ok());
  const std::string path = server.root() + "/app" + kName;
  CHECK(text_of(path) == "the bytes");
  CHECK(posix_file_system().stat(path)->mtime_ms == kTimeMs / 1000 * 1000);
  const std::string content = test::Prng(1).bytes((9 << 20) + 5);
  const LtxFileInfo large{9, Txid{1}, Txid{3}, 0, kTimeMs};
  REQUIRE(test::put_file(*store, large, content).ok());
  CHECK(test::put_file(*store, large, content).ok());
  CHECK(test::put_file(*store, large, content + "x").code() == StatusCode::kAlreadyExists);
  { REQUIRE((*store->create(large))->append(as_bytes(content)).ok()); }
  CHECK(test::get_file(*store, large, 1 << 20).value() == content);
  size_t file_count = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(server.root())) {
    if (entry.is_regular_file()) ++file_count;
  }
  CHECK(file_count == 2);
  // Readers that come one after the other share connections.
  CHECK(server.connection_count() <= 4);
}

TEST_CASE("sftp: the server must be who it should be, and gets nothing before") {
  SshServer server;
  const std::string home = server.root() + "/home";
  std::filesystem::create_directories(home + "/.ssh");
  const auto refused = [&](Settings settings) {
    const auto store = open_sftp(server, std::move(settings), "/app", home);
    const Status status = test::put_file(*store, kFile, "x");
    CHECK(status.code() == StatusCode::kIo);
    CHECK(status.message().find(server.password()) == std::string::npos);
    return status.message();
  };
  CHECK(refused({{"password", server.password()}, {"host-key", server.other_host_key()}})
            .find("host key") != std::string::npos);
  // Nobody knows it: the message shows what to compare.
  CHECK(refused({{"password", server.password()}}).find("SHA256:" + server.host_key_sha256()) !=
        std::string::npos);
  const std::string name = "[127.0.0.1]:" + std::to_string(server.port()) + " ";
  test::write_text_file(home + "/.ssh/known_hosts", name + server.other_host_key() + "\n");
  CHECK(refused({{"password", server.password()}}).find("known_hosts") != std::string::npos);
  CHECK(server.log().find("password") == std::string::npos);
  test::write_text_file(home + "/.ssh/known_hosts", name + server.host_key() + "\n");
  CHECK(test::put_file(*open_sftp(server, {{"password", server.password()}}, "/app", home), kFile,
                       "x")
            .ok());
}

TEST_CASE("sftp: wrong passwords and keys are refused and not shown") {
  SshServer server;
  const auto refused = [&](const char* setting, const std::string& value) {
    const auto store = open_sftp(server, {{setting, value}, {"host-key", server.host_key()}});
    const Status status = test::put_file(*store, kFile, "x");
    CHECK(status.code() == StatusCode::kIo);
    CHECK(status.message().find("not-the-password") == std::string::npos);
  };
  refused("password", "not-the-password");
  refused("key-path", server.stranger_key_path());
  CHECK_FALSE(std::filesystem::exists(server.root() + "/app"));
}

TEST_CASE("sftp: connections that end in the middle") {
  SshServer server;
  const auto store = open_sftp(server, by_key(server));
  const std::string content = test::Prng(2).bytes(24 << 20);
  const LtxFileInfo large{9, Txid{1}, Txid{3}, 0, kTimeMs};
  REQUIRE(store->list(0).ok());  // from now on, a login that fails is a connection that ended
  std::atomic<bool> is_done{false};
  std::thread breaker([&] {
    for (int i = 0; i < 4 && !is_done; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(60));
      server.drop_connections();
    }
  });
  const Status put = test::put_file(*store, large, content);
  const auto got = test::get_file(*store, large, 1 << 20);
  is_done = true;
  breaker.join();
  INFO(put.message());
  CHECK(put.ok());
  REQUIRE(got.ok());
  CHECK((*got == content));
  CHECK(text_of(server.root() + "/app/ltx/9/0000000000000001-0000000000000003.ltx") == content);
}

TEST_CASE("sftp: a listing sees only finished files") {
  SshServer server;
  const auto store = open_sftp(server, by_key(server));
  auto writer = store->create(kFile);
  const std::string content(5 << 20, 'x');
  REQUIRE((*writer)->append(as_bytes(content)).ok());
  CHECK_FALSE(std::filesystem::is_empty(server.root() + "/app/ltx/0"));
  CHECK(open_sftp(server, by_key(server))->list(0).value().empty());
  REQUIRE((*writer)->commit().ok());
  CHECK(open_sftp(server, by_key(server))->list(0).value().size() == 1);
}

TEST_CASE("sftp: no permission is said") {
  SshServer server;
  const auto store = open_sftp(server, by_key(server), "/../../../proc/nowhere");
  CHECK(store->check_writable().code() == StatusCode::kIo);
  CHECK_FALSE(test::put_file(*store, kFile, "x").ok());
}

TEST_CASE("sftp: long listings") {
  const auto entries = parse_long_listing(
      "drwxr-xr-x    2 tester   tester       4096 Nov 22 15:48 .\n"
      "drwx------    3 tester   tester       4096 Nov 22 15:48 ..\n"
      "-rw-r--r--    1 tester   tester         89 Nov 22  2025 a.ltx\r\n"
      "-rw-r--r--    1 1000     1000   5000000000 Jan  3 04:05 b.ltx\n"
      "drwxr-xr-x    2 tester   tester       4096 Nov 22 15:48 0123456789abcdef\n"
      "lrwxrwxrwx    1 tester   tester          9 Nov 22 15:48 l.ltx -> a.ltx\n"
      "-rw-r--r--    1 tester   tester         89 Nov 22 15:35 with blank.ltx\n"
      "-rw-r--r--    1 tester   tester         -1 Nov 22 15:35 c.ltx\n"
      "nonsense\n\n");
  REQUIRE(entries.size() == 3);
  CHECK(entries[0].name == "a.ltx");
  CHECK(entries[0].size_bytes == 89);
  CHECK(entries[1].size_bytes == 5'000'000'000);
  CHECK(entries[2].is_folder);
}

TEST_CASE("sftp: URLs and settings") {
  const StoreEnvironment none = [](const std::string&) { return std::nullopt; };
  StoreSpec spec;
  spec.url = "sftp://u:p%40ss@Host.Example:2222//a//b/";
  const auto options = resolve_sftp_options(spec, none);
  REQUIRE(options.ok());
  CHECK(options->host_and_port == "host.example:2222");
  CHECK(options->root == "/a/b");
  CHECK(options->password == "p@ss");
  CHECK(options->url == "sftp://u@host.example:2222/a/b");
  CHECK(normalize_sftp_url(parse_url(spec.url).value(), UrlSecrets::kKept).value() ==
        "sftp://u:p%40ss@host.example:2222/a/b");
  for (const char* url :
       {"sftp://host/x", "sftp://u:secret@/x", "sftp://u@host/x", "sftp://u:secret@host/a%0Ab",
        "sftp://u:secret@host/~/x", "sftp://u:secret@host/x?region=secret"}) {
    CAPTURE(url);
    StoreSpec bad;
    bad.url = url;
    const auto refused = resolve_sftp_options(bad, none);
    CHECK(refused.status().code() == StatusCode::kInvalidArgument);
    CHECK(refused.status().message().find("secret") == std::string::npos);
  }
  CHECK(host_key_fingerprint("SHA256:VjwcPLxghmBzHGbejVahv71CED9e9KkBKQuLEUXM9ZY").ok());
  CHECK(host_key_fingerprint("SHA256:VjwcPLxghmBzHGbejVahv71CED9e9KkBKQuLEUXM9ZY=").value() ==
        "VjwcPLxghmBzHGbejVahv71CED9e9KkBKQuLEUXM9ZY");
  for (const char* text :
       {"", "SHA256:", "SHA256:AAAA", "MD5:00:11", "ssh-ed25519", "ssh-rsa !", "ssh-rsa AAAA"}) {
    CAPTURE(text);
    CHECK_FALSE(host_key_fingerprint(text).ok());
  }
}

}  // namespace
}  // namespace litestream
