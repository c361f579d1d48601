// The command line, from arguments to output and exit status.
#include "mcp/program.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "mcp/source_argument.h"
#include "tests/mcp/fake_extension.h"
#include "tests/mcp/json_check.h"
#include "tests/support/temp_dir.h"

namespace litestream {
namespace {

using test::Json;

struct Outcome {
  int status;
  std::string out;
  std::string err;
};

Outcome run(const std::vector<std::string>& arguments) {
  test::install_fake_extension();
  std::ostringstream out;
  std::ostringstream err;
  const int status = run_program(arguments, {out, err});
  return {status, out.str(), err.str()};
}

struct ConfigFile {
  ConfigFile() { std::ofstream(path) << "db /data/app.db\n"; }
  test::TempDir dir;
  std::string path = dir.file("litestream.yml");
};

TEST_CASE("help and usage") {
  CHECK(run({}).status == kExitUsage);
  CHECK(run({"help"}).status == kExitOk);
  CHECK(run({"nonsense"}).status == kExitUsage);
  const std::string overview = run({"-help"}).out;
  for (const Command* command : all_commands()) {
    CHECK(overview.find(command->name) != std::string::npos);
    const std::string usage = std::string("Usage: litestream ") + command->name;
    CHECK(run({"help", command->name}).out.starts_with(usage));
    CHECK(run({command->name, "-h"}).out.starts_with(usage));
    const Outcome wrong = run({command->name, "-nonsense"});
    CHECK(wrong.status == kExitUsage);
    CHECK(wrong.err.find("unknown flag -nonsense") != std::string::npos);
    CHECK(wrong.out.empty());
    for (const FlagSpec& flag : command->flags) {
      const bool shown =
          std::string(command->help).find(std::string("-") + flag.name) != std::string::npos;
      CHECK(shown);
    }
  }
}

TEST_CASE("version") {
  const Outcome outcome = run({"version"});
  CHECK(outcome.status == kExitOk);
  CHECK(outcome.out == "0.1.0\n");
}

TEST_CASE("databases") {
  const ConfigFile config;
  const Outcome table = run({"databases", "-config", config.path});
  CHECK(table.status == kExitOk);
  CHECK(table.out ==
        "path          replica  url\n"
        "/data/app.db  file     file:///backup\n");
  CHECK(run({"databases", "-json", "-config=" + config.path}).out ==
        "[\n  {\"path\":\"/data/app.db\",\"replica\":\"file\"}\n]\n");
}

TEST_CASE("ltx lists level 0 unless told otherwise") {
  const ConfigFile config;
  const auto list = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"ltx", "-config", config.path, "-json"});
    more.emplace_back("/data/app.db");
    return run(more);
  };
  const Json level_0(list({}).out);
  CHECK(level_0.at("").get_array().size() == 2);
  CHECK(level_0.raw("/0") ==
        R"({"level":0,"min_txid":"0000000000000003","max_txid":"0000000000000003","size":300,)"
        R"("timestamp":"2026-01-03T04:05:03.000Z"})");
  CHECK(Json(list({"-level", "all"}).out).at("").get_array().size() == 3);
  CHECK(Json(list({"-level", "9"}).out).at("").get_array().size() == 1);
  CHECK(list({"-level", "10"}).status == kExitUsage);
  CHECK(run({"ltx", "file:///backup"}).out.starts_with("level  min_txid"));
}

TEST_CASE("status, snapshots and generations") {
  const ConfigFile config;
  CHECK(Json(run({"status", "-json", "-config", config.path}).out).raw("/0") ==
        R"({"database":"/data/app.db","status":"ok","local_txid":"0000000000000003",)"
        R"("wal_size":"4.1 kB"})");
  CHECK(run({"status", "-config", config.path, "/data/app.db"}).status == kExitOk);
  CHECK(run({"snapshots", "-config", config.path, "/data/app.db"}).out.find("0000000000000001") !=
        std::string::npos);
  const Outcome generations = run({"generations", "-json", "file:///backup"});
  CHECK(generations.out == "[]\n");
  CHECK(generations.err.find("litestream ltx") != std::string::npos);
}

TEST_CASE("failures name what is wrong") {
  const ConfigFile config;
  const Outcome unknown = run({"ltx", "-config", config.path, "/nope"});
  CHECK(unknown.status == kExitFailed);
  CHECK(unknown.err ==
        "litestream ltx: litestream_ltx: unknown database \"/nope\"; known: /data/app.db\n");
  const Outcome no_config = run({"databases", "-config", config.dir.file("none.yml")});
  CHECK(no_config.status == kExitFailed);
  CHECK(no_config.err.find("none.yml") != std::string::npos);
  std::ofstream(config.path, std::ios::app) << "colour red\n";
  CHECK(run({"databases", "-config", config.path}).err.find(":2: unknown key \"colour\"") !=
        std::string::npos);
  CHECK(run({"ltx"}).status == kExitUsage);
  CHECK(run({"ltx", "a", "b"}).status == kExitUsage);
  CHECK(run({"ltx", "-config", config.path, "file:///backup"}).status == kExitUsage);
  CHECK(run({"replicate", "a"}).status == kExitUsage);
  CHECK(run({"replicate", "-log-level", "loud"}).status == kExitUsage);
  CHECK(run({"mcp", "-stdio", "-addr", "localhost:0"}).status == kExitUsage);
}

TEST_CASE("restore") {
  const ConfigFile config;
  const std::string output = config.dir.file("out.db");
  const Outcome json = run({"restore", "-json", "-o", output, "file:///backup"});
  REQUIRE(json.status == kExitOk);
  const Json result(json.out);
  CHECK(result.text("/db_path") == output);
  CHECK(result.text("/txid") == "0000000000000003");
  CHECK(result.text("/replica") == "file");
  CHECK(result.text("/integrity_check") == "none");
  CHECK(result.integer("/duration_ms") >= 0);
  CHECK(std::filesystem::file_size(output) == 8);

  const Outcome again = run({"restore", "-o", output, "file:///backup"});
  CHECK(again.status == kExitFailed);
  CHECK(again.err.find("exists") != std::string::npos);
  CHECK(run({"restore", "-if-db-not-exists", "-o", output, "file:///backup"}).status == kExitOk);
  const std::string second = config.dir.file("second.db");
  const Outcome text =
      run({"restore", "-config", config.path, "-if-replica-exists", "-o", second, "/data/app.db"});
  CHECK(text.status == kExitOk);
  CHECK(text.out.starts_with("restored " + second + " at TXID 0000000000000003, 8 bytes"));
}

TEST_CASE("restore refuses wrong usage") {
  CHECK(run({"restore"}).status == kExitUsage);
  CHECK(run({"restore", "file:///backup"}).status == kExitUsage);
  CHECK(run({"restore", "-o", "x", "-txid", "1", "-timestamp", "2", "file:///b"}).status ==
        kExitUsage);
  CHECK(run({"restore", "-dryrun", "x"}).err.find("did you mean -dry-run?") != std::string::npos);
  CHECK(run({"restore", "-f", "-dry-run", "-o", "x", "file:///b"}).status == kExitUsage);
  CHECK(run({"restore", "-f", "-txid", "1", "-o", "x", "file:///b"}).status == kExitUsage);
}

TEST_CASE("restore shows its plan and writes nothing") {
  const ConfigFile config;
  const std::string output = config.dir.file("planned.db");
  const Outcome text =
      run({"restore", "-dry-run", "-config", config.path, "-o", output, "/data/app.db"});
  REQUIRE(text.status == kExitOk);
  CHECK(text.out.find("would restore " + output + " at TXID 0000000000000003 " +
                      "(2026-01-03T04:05:03.000Z)\n") != std::string::npos);
  const Outcome json =
      run({"restore", "-dry-run", "-json", "-config", config.path, "-o", output, "/data/app.db"});
  REQUIRE(json.status == kExitOk);
  const Json plan(json.out);
  CHECK(plan.text("/source") == "/data/app.db");
  CHECK(plan.text("/target_path") == output);
  CHECK(plan.text("/min_txid") == "0000000000000001");
  CHECK(plan.text("/max_txid") == "0000000000000003");
  CHECK(plan.text("/files/0/name") == "0000000000000001-0000000000000001.ltx");
  CHECK(plan.integer("/files/1/size") == 500);
  CHECK(plan.text("/files/1/timestamp") == "2026-01-03T04:05:03.000Z");
  CHECK_FALSE(std::filesystem::exists(output));
}

TEST_CASE("URLs, schemes and secrets") {
  CHECK(url_scheme("s3://bucket") == "s3");
  CHECK(url_scheme("file:/x") == "file");
  CHECK_FALSE(is_url("/data/a:b"));
  CHECK_FALSE(is_url("app.db"));
  CHECK(redacted_url("s3://key:sec@ret@host/a@b?token=x") == "s3://host/a@b");
  CHECK(redacted_url("file:///backup") == "file:///backup");
  CHECK(redacted_url("s3://key:secret@host") == "s3://host");
}

}  // namespace
}  // namespace litestream
