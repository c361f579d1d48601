// Each tool answers exactly what its output schema says.
#include "mcp/tools.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/mcp/fake_extension.h"
#include "tests/mcp/json_check.h"
#include "tests/support/temp_dir.h"

namespace litestream {
namespace {

using test::Json;

struct Fixture {
  explicit Fixture(std::vector<std::string> databases = {"/data/app.db"},
                   std::vector<GivenSource> given_sources = {}, McpSettings settings = {})
      : pool(std::move(given_sources)) {
    test::install_fake_extension();
    test::set_fake_databases(std::move(databases));
    auto created = Tools::create(pool, std::move(settings));
    REQUIRE(created.ok());
    tools = std::move(created).value();
  }
  Result<ToolOutput> run(std::string_view name, SqlParameters parameters = {}) {
    const ToolDefinition* tool = tools->find(name);
    REQUIRE(tool != nullptr);
    Cancellation cancellation;
    auto output = tools->run(*tool, std::move(parameters), cancellation);
    if (output.ok()) {
      CHECK(output->json.find('\n') == std::string::npos);
      const Json schema(tool->output_schema);
      const Json answer(output->json);
      CHECK(test::schema_fault(schema.root(), answer.root()) == "");
    }
    return output;
  }
  std::string json(std::string_view name, SqlParameters parameters = {}) {
    auto output = run(name, std::move(parameters));
    return output.ok() ? output->json : "error: " + output.status().message();
  }

  SessionPool pool;
  std::unique_ptr<Tools> tools;
};

const SqlParameters kDatabase = {{"database", std::string("/data/app.db")}};

SqlParameters with(SqlParameters parameters, const char* name, SqlValue value) {
  parameters.emplace_back(name, std::move(value));
  return parameters;
}

TEST_CASE("the five tools of the specification come first") {
  Fixture f;
  std::vector<std::string> names;
  for (const ToolDefinition& tool : f.tools->all()) names.push_back(tool.name);
  names.resize(5);
  CHECK(names == std::vector<std::string>{"litestream_databases", "litestream_ltx",
                                          "litestream_snapshots", "litestream_restore",
                                          "litestream_generations"});
  CHECK(Json(f.tools->list_items()[0]).text("/inputSchema/type") == "object");
}

TEST_CASE("litestream_databases") {
  Fixture f({"/data/app.db", "/data/other.db"});
  CHECK(f.json("litestream_databases") ==
        R"({"databases":[{"path":"/data/app.db","replicas":[{"name":"file","type":"file",)"
        R"("url":"file:///backup"}]},{"path":"/data/other.db","replicas":[{"name":"file",)"
        R"("type":"file","url":"file:///backup"}]}]})");
}

TEST_CASE("litestream_ltx with and without its options") {
  Fixture f;
  const auto all = f.run("litestream_ltx", kDatabase);
  REQUIRE(all.ok());
  CHECK(all->json ==
        R"({"files":[{"level":0,"min_txid":"0000000000000003","max_txid":"0000000000000003",)"
        R"("size":300,"created_at":"2026-01-03T04:05:03.000Z"},)"
        R"({"level":0,"min_txid":"0000000000000002","max_txid":"0000000000000002",)"
        R"("size":200,"created_at":"2026-01-03T04:05:02.000Z"},)"
        R"({"level":9,"min_txid":"0000000000000001","max_txid":"0000000000000001",)"
        R"("size":100,"created_at":"2026-01-03T04:05:01.000Z"}]})");
  CHECK(all->summary == "3 of 3, TXIDs 0000000000000001..0000000000000003");
  const auto limited = f.run("litestream_ltx", with(kDatabase, "limit", int64_t{1}));
  CHECK(limited->summary == "1 of 3, TXIDs 0000000000000003..0000000000000003");
  CHECK(Json(limited->json).at("/files").get_array().size() == 1);
  const auto level = f.run("litestream_ltx", with(kDatabase, "level", int64_t{9}));
  CHECK(Json(level->json).integer("/files/0/size") == 100);
  const auto none = f.run("litestream_ltx", with(kDatabase, "replica", std::string("none")));
  CHECK(none->json == R"({"files":[]})");
  CHECK(none->summary == "0 of 0");
}

TEST_CASE("litestream_snapshots and litestream_generations") {
  Fixture f;
  CHECK(f.json("litestream_snapshots", kDatabase) ==
        R"({"snapshots":[{"txid":"0000000000000001","size":100,)"
        R"("created_at":"2026-01-03T04:05:01.000Z"}]})");
  const Json generations(f.json("litestream_generations", kDatabase));
  CHECK(generations.raw("/generations") == "[]");
  CHECK(generations.text("/note").find("litestream_ltx") != std::string::npos);
  CHECK(generations.text("/note").find("litestream_snapshots") != std::string::npos);
}

TEST_CASE("litestream_restore restores into a new file") {
  Fixture f;
  const test::TempDir dir;
  const std::string output = dir.file("out.db");
  SqlParameters parameters = with(kDatabase, "output", output);
  CHECK(f.json("litestream_restore", parameters) ==
        R"({"restored_path":")" + output + R"(","txid":"0000000000000003","size":8})");
  CHECK(std::filesystem::file_size(output) == 8);
  CHECK(f.json("litestream_restore", parameters).find("exists") != std::string::npos);
  CHECK(f.json("litestream_restore", with(parameters, "if_db_not_exists", int64_t{1})) ==
        R"({"restored_path":null,"txid":null,"size":null})");
}

TEST_CASE("litestream_restore refuses what it must") {
  Fixture f;
  const test::TempDir dir;
  const SqlParameters parameters = with(kDatabase, "output", dir.file("out.db"));
  const auto fault = [&](SqlParameters more) {
    auto result = f.run("litestream_restore", std::move(more));
    return result.status().message();
  };
  CHECK(fault(with(with(parameters, "txid", std::string("0000000000000001")), "timestamp",
                   std::string("2026-01-03T04:05:06Z")))
            .find("not both") != std::string::npos);
  CHECK(fault(with(parameters, "txid", std::string("98765"))) ==
        "litestream_restore: TXIDs are hexadecimal, 16 digits");
  for (const char* name : {"app.db-wal", "app.db-shm", "app.db-journal", "APP.DB-WAL"}) {
    CHECK(fault(with(kDatabase, "output", dir.file(name))).find("-wal, -shm or -journal") !=
          std::string::npos);
  }
  CHECK(std::filesystem::is_empty(dir.path()));
}

TEST_CASE("litestream_status of one database and of all") {
  Fixture f({"/data/app.db", "/data/other.db"});
  CHECK(Json(f.json("litestream_status")).at("/databases").get_array().size() == 2);
  const Json one(f.json("litestream_status", kDatabase));
  CHECK(one.raw("/databases") ==
        R"([{"database":"/data/app.db","replica":"file","status":"ok",)"
        R"("local_txid":"0000000000000003","replica_txid":"0000000000000003","lag_ms":0,)"
        R"("wal_size":4120,"spool_size":0,"last_sync_at":"2026-01-03T04:05:03.000Z",)"
        R"("last_error":null,"owner":null,"durability":"async","warning":null}])");
}

TEST_CASE("litestream_info, litestream_version, litestream_restore_points and writers") {
  Fixture f;
  const Json info(f.json("litestream_info"));
  CHECK(info.raw("/databases") == R"(["/data/app.db"])");
  CHECK(info.text("/config_path") == "/etc/fake.yml");
  CHECK(info.integer("/uptime_seconds") >= 0);
  CHECK(f.json("litestream_version") == R"({"version":"0.1.0"})");
  CHECK(Json(f.json("litestream_restore_points", kDatabase)).text("/restore_points/0/txid") ==
        "0000000000000003");
  CHECK(f.json("litestream_sync", kDatabase) == R"({"txid":"0000000000000003"})");
  CHECK(f.json("litestream_snapshot", kDatabase) == R"({"txid":"0000000000000003"})");
}

TEST_CASE("an unknown database is an error that lists the known ones") {
  Fixture f;
  CHECK(f.json("litestream_ltx", {{"database", std::string("/nope.db")}}) ==
        "error: litestream_ltx: unknown database \"/nope.db\"; known: /data/app.db");
}

TEST_CASE("URLs are refused unless they are configured or were given") {
  Fixture f({"/data/app.db"}, {{"s3://bucket/app", "s3://key:secret@bucket/app?sse=x", "s3"}});
  const char* const kRefusal = "error: database is not configured; known: ";
  for (const char* url : {"file:///other", "file:/other", "s3://bucket/app2", "S3:x"}) {
    const std::string answer = f.json("litestream_ltx", {{"database", std::string(url)}});
    CHECK(answer == std::string(kRefusal) + "/data/app.db, s3://bucket/app");
  }
  for (const char* url :
       {"file:///backup", "s3://bucket/app", "s3://key:secret@bucket/app?sse=x"}) {
    CHECK(Json(f.json("litestream_ltx", {{"database", std::string(url)}})).has("/files/0"));
  }
  const std::string databases = f.json("litestream_databases");
  CHECK(databases.find("secret") == std::string::npos);
  CHECK(databases.find(R"({"path":"s3://bucket/app","replicas":[{"name":"s3","type":"s3",)"
                       R"("url":"s3://bucket/app"}]})") != std::string::npos);
}

TEST_CASE("without any configuration only what was given is known") {
  Fixture f({}, {{"file:///backup", "file:///backup", "file"}});
  CHECK(f.json("litestream_ltx", {{"database", std::string("/etc/passwd")}}) ==
        "error: database is not configured; known: file:///backup");
}

TEST_CASE("a wrong tool name is told its neighbour") {
  Fixture f;
  CHECK(f.tools->find("litestream_nope") == nullptr);
  CHECK(f.tools->unknown_tool_message("litestream_snapshts") ==
        "no tool \"litestream_snapshts\"; did you mean \"litestream_snapshots\"?");
  CHECK(f.tools->unknown_tool_message("restore").find("\"litestream_restore\"?") !=
        std::string::npos);
  CHECK(f.tools->unknown_tool_message("make_coffee_for_everybody").find("known: ") !=
        std::string::npos);
}

}  // namespace
}  // namespace litestream
