// Who may come in: tokens, hosts and origins. What comes in without any of them is tested with the
// endpoint.
#include "mcp/http_access.h"

#include <catch2/catch.hpp>

#include "mcp/mcp_settings.h"
#include "mcp/output_guard.h"
#include "tests/mcp/fake_extension.h"
#include "tests/support/temp_dir.h"

namespace litestream {
namespace {

using Verdict = HttpAccess::Verdict;

Verdict judge(const HttpAccess::Options& options, HttpHeaders headers) {
  if (find_header(headers, "Host") == nullptr) headers.emplace_back("Host", "localhost:8080");
  return HttpAccess(options).judge(headers);
}

TEST_CASE("access: a token must be shown, whole") {
  HttpAccess::Options options;
  options.token = "s3cret";
  CHECK(judge(options, {{"Authorization", "Bearer s3cret"}}) == Verdict::kWelcome);
  CHECK(judge(options, {{"authorization", "bearer  s3cret "}}) == Verdict::kWelcome);
  CHECK(judge(options, {}) == Verdict::kNoToken);
  for (const char* value : {"Basic s3cret", "s3cret", "Bearer", ""}) {
    CHECK(judge(options, {{"Authorization", value}}) == Verdict::kNoToken);
  }
  for (const char* value : {"Bearer ", "Bearer s3cre", "Bearer s3crett", "Bearer S3cret",
                            "Bearer s3crets3cret", "Bearer x"}) {
    CHECK(judge(options, {{"Authorization", value}}) == Verdict::kWrongToken);
  }
  // A foreign page is foreign with a token too.
  CHECK(judge(options, {{"Authorization", "Bearer s3cret"}, {"Origin", "http://evil.com"}}) ==
        Verdict::kForeignOrigin);
}

TEST_CASE("access: a reverse proxy's names are allowed by configuration") {
  HttpAccess::Options options;
  options.allowed_hosts = {"backup.example", "db7:9000"};
  options.allowed_origins = {"https://console.example"};
  for (const char* host : {"backup.example", "Backup.Example:443", "db7:9000", "localhost:1"}) {
    CHECK(judge(options, {{"Host", host}}) == Verdict::kWelcome);
  }
  for (const char* host : {"db7", "db7:9001", "x.backup.example", "", ":80", "backup.example:x"}) {
    CAPTURE(host);
    CHECK(judge(options, {{"Host", host}}) == Verdict::kForeignHost);
  }
  CHECK(judge(options, {{"Origin", "https://console.example"}}) == Verdict::kWelcome);
  CHECK(judge(options, {{"Origin", "https://console.example.evil.com"}}) ==
        Verdict::kForeignOrigin);
  CHECK(judge(options, {{"Origin", "http://console.example"}}) == Verdict::kForeignOrigin);
}

TEST_CASE("settings: from the configuration, with the environment's token before it") {
  test::install_fake_extension();
  test::set_fake_databases({});
  const auto session = SqlSession::open(":memory:", {});
  REQUIRE(session.ok());
  ::unsetenv("LITESTREAM_MCP_TOKEN");
  auto settings = load_mcp_settings(**session);
  REQUIRE(settings.ok());
  CHECK(settings->token.empty());
  CHECK_FALSE(settings->read_only);
  test::set_fake_value("mcp-token", "from-config");
  test::set_fake_value("mcp-read-only", "true");
  test::set_fake_value("mcp-allow-urls", "1");
  test::set_fake_value("mcp-restore-dir", "/restores");
  test::set_fake_value("mcp-allowed-hosts", R"(["a","b:1"])");
  test::set_fake_value("mcp-allowed-origins", "https://a, https://b");
  settings = load_mcp_settings(**session);
  REQUIRE(settings.ok());
  CHECK(settings->token == "from-config");
  CHECK(settings->read_only);
  CHECK(settings->allow_urls);
  CHECK_FALSE(settings->allow_overwrite);
  CHECK(settings->restore_dir == "/restores");
  CHECK(settings->allowed_hosts == std::vector<std::string>{"a", "b:1"});
  CHECK(settings->allowed_origins == std::vector<std::string>{"https://a", "https://b"});
  ::setenv("LITESTREAM_MCP_TOKEN", "from-environment", 1);
  CHECK(load_mcp_settings(**session)->token == "from-environment");
  ::unsetenv("LITESTREAM_MCP_TOKEN");
  test::set_fake_value("mcp-read-only", "maybe");
  CHECK(load_mcp_settings(**session).status().message() ==
        "mcp-read-only is true or false, not \"maybe\"");
  CHECK(parse_text_list("")->empty());
  for (const char* text : {"[1]", "[", "{}["}) {
    CHECK(parse_text_list(text).ok() == (text[0] != '['));
  }
}

TEST_CASE("outputs: only really below the restore folder") {
  const test::TempDir dir;
  namespace fs = std::filesystem;
  const std::string inside = fs::canonical(dir.path()).string() + "/restores";
  const std::string outside = fs::canonical(dir.path()).string() + "/outside";
  fs::create_directories(inside + "/sub");
  fs::create_directory(outside);
  fs::create_directory_symlink(outside, inside + "/leak");
  fs::create_symlink(outside + "/target.db", inside + "/link.db");
  CHECK(*guarded_output("a.db", inside) == inside + "/a.db");
  CHECK(*guarded_output("sub/a.db", inside) == inside + "/sub/a.db");
  CHECK(*guarded_output(inside + "/sub/./a.db", inside) == inside + "/sub/a.db");
  CHECK(*guarded_output("a.db", inside + "/") == inside + "/a.db");
  for (const std::string& output :
       {std::string("../outside/a.db"), std::string("sub/../../outside/a.db"), outside + "/a.db",
        std::string("leak/a.db"), inside + "/leak/a.db", std::string("link.db"),
        std::string("/etc/passwd"), inside, inside + "/", std::string("."), std::string(".."),
        inside + "x/a.db", std::string("/nowhere/a.db")}) {
    CAPTURE(output);
    CHECK_FALSE(guarded_output(output, inside).ok());
  }
  CHECK(guarded_output("none/a.db", inside).status().message().find("none") != std::string::npos);
  CHECK(guarded_output("/secret/none/a.db", inside).status().message().find("secret") ==
        std::string::npos);
  CHECK_FALSE(guarded_output("a.db", dir.file("missing")).ok());
  for (const char* name : {"a.db-wal", "a.db-SHM", "a.db-journal"}) {
    CHECK_FALSE(guarded_output(name, inside).ok());
    CHECK_FALSE(guarded_output(name, "").ok());
  }
  CHECK(*guarded_output("/anywhere/a.db", "") == "/anywhere/a.db");
}

}  // namespace
}  // namespace litestream
