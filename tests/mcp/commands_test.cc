// Commands that talk to a running program, show the configuration, and help shells.
#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

#include "mcp/control_socket.h"
#include "mcp/mcp_protocol.h"
#include "mcp/program.h"
#include "mcp/table_printer.h"
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

// A control socket as `replicate` serves it, and a configuration that names it.
struct Daemon {
  Daemon() {
    test::install_fake_extension();
    std::ofstream(config) << "db /data/app.db\nsocket.path " << path << "\n";
    auto started = ControlSocket::start(path, 0600);
    REQUIRE(started.ok());
    socket = std::move(started).value();
    test::set_fake_databases({"/data/app.db"});
  }
  test::TempDir dir;
  std::string path = dir.file("ls.sock");
  std::string config = dir.file("litestream.yml");
  std::unique_ptr<ControlSocket> socket;
};

TEST_CASE("commands: info and list of a running program") {
  const Daemon daemon;
  const Outcome info = run({"info", "-socket", daemon.path});
  CHECK(info.status == kExitOk);
  CHECK(info.out.starts_with("version: 0.1.0\npid: "));
  CHECK(Json(run({"info", "-json", "-socket", daemon.path}).out).integer("/database_count") == 1);
  CHECK(run({"list", "-socket", daemon.path}).out ==
        "path          status       last_sync_at\n"
        "/data/app.db  replicating  2026-01-03T04:05:03.000Z\n");
  CHECK(Json(run({"list", "-json", "-socket", daemon.path}).out).text("/databases/0/path") ==
        "/data/app.db");
}

TEST_CASE("commands: start, stop, sync, register and unregister") {
  const Daemon daemon;
  const std::string socket = "-socket=" + daemon.path;
  CHECK(run({"start", socket, "/data/app.db"}).out ==
        "status: already_running\npath: /data/app.db\ntxid: 0000000000000003\n"
        "db_path: /data/app.db\nstate: running\nsocket: " +
            daemon.path + "\n");
  const Json stopped(run({"stop", "-json", socket, "/data/app.db"}).out);
  CHECK(stopped.text("/status") == "stopped");
  CHECK(stopped.text("/path") == "/data/app.db");
  CHECK(stopped.integer("/txid") == 3);
  const Json synced(run({"sync", "-wait", "-json", socket, "/data/../data/app.db"}).out);
  CHECK(synced.text("/status") == "no_change");
  CHECK(synced.integer("/replicated_txid") == 3);
  const Outcome registered =
      run({"register", socket, "-replica", "s3://key:secret@bucket/x?token=y", "/new.db"});
  CHECK(registered.status == kExitOk);
  CHECK(registered.out.find("replica: s3://bucket/x\n") != std::string::npos);
  CHECK(registered.out.find("secret") == std::string::npos);
  const Outcome preview = run({"unregister", "-dry-run", socket, "/new.db"});
  CHECK(preview.out.find("nothing was done") != std::string::npos);
  CHECK(Json(run({"unregister", "-json", socket, "/new.db"}).out).text("/status") ==
        "unregistered");
  CHECK(Json(run({"unregister", "-json", socket, "/new.db"}).out).text("/status") ==
        "already_unregistered");
}

TEST_CASE("commands: the configuration names the socket") {
  const Daemon daemon;
  CHECK(run({"info", "-config", daemon.config}).status == kExitOk);
}

TEST_CASE("commands: nobody listens") {
  const test::TempDir dir;
  const std::string socket = dir.file("none.sock");
  for (const char* command : {"info", "list"}) {
    const Outcome outcome = run({command, "-socket", socket});
    CHECK(outcome.status == kExitFailed);
    CHECK(outcome.err.find("no litestream listens at " + socket) != std::string::npos);
  }
  for (const char* command : {"start", "stop", "sync", "unregister"}) {
    const Outcome outcome = run({command, "-socket", socket, "/data/app.db"});
    CHECK(outcome.status == kExitFailed);
    CHECK(outcome.err.find("no litestream listens at " + socket) != std::string::npos);
  }
}

TEST_CASE("commands: without a socket, who replicates the database is asked") {
  const test::TempDir dir;
  const std::string config = dir.file("litestream.yml");
  std::ofstream(config) << "db /data/app.db\nsocket.path " << dir.file("none.sock") << "\n";
  const Outcome synced = run({"sync", "-config", config, "-json", "/data/app.db"});
  CHECK(synced.status == kExitOk);
  CHECK(synced.out == "{\"status\":\"synced\",\"path\":\"/data/app.db\"}\n");
}

TEST_CASE("commands: wrong usage") {
  const test::TempDir dir;
  const std::string socket = "-socket=" + dir.file("none.sock");
  CHECK(run({"start", socket}).status == kExitUsage);
  CHECK(run({"start", socket, "a", "b"}).status == kExitUsage);
  CHECK(run({"start", socket, "file:///x"}).status == kExitUsage);
  CHECK(run({"start", socket, "-timeout", "0", "a"}).status == kExitUsage);
  CHECK(run({"start", socket, "-timeout", "x", "a"}).status == kExitUsage);
  CHECK(run({"info", socket, "a"}).status == kExitUsage);
  CHECK(run({"register", socket, "a"}).err.find("-replica URL is required") != std::string::npos);
  CHECK(run({"config", "x"}).status == kExitUsage);
  CHECK(run({"reset"}).status == kExitUsage);
  CHECK(run({"reset", "file:///x"}).status == kExitUsage);
  CHECK(run({"completion"}).status == kExitUsage);
  CHECK(run({"completion", "tcsh"}).status == kExitUsage);
  for (const std::vector<std::string>& flags : {std::vector<std::string>{"-once", "-exec", "x"},
                                                {"-force-snapshot"},
                                                {"-enforce-retention"},
                                                {"-once", "-mcp-addr", "localhost:0"},
                                                {"-config", "x", "a", "file:///b"},
                                                {"a"}}) {
    std::vector<std::string> arguments = flags;
    arguments.insert(arguments.begin(), "replicate");
    CHECK(run(arguments).status == kExitUsage);
  }
}

TEST_CASE("commands: nearest names") {
  CHECK(run({"replcate"}).err.find("did you mean 'replicate'?") != std::string::npos);
  CHECK(run({"stat"}).err.find("did you mean 'status'?") != std::string::npos);
  CHECK(run({"databases", "-jsn"}).err.find("did you mean -json?") != std::string::npos);
  CHECK(run({"xyzzy-plugh"}).err.find("did you mean") == std::string::npos);
}

TEST_CASE("commands: config shows values and origins") {
  const test::TempDir dir;
  const std::string config = dir.file("litestream.yml");
  std::ofstream(config) << "db /data/app.db\n";
  const Outcome table = run({"config", "-config", config});
  CHECK(table.status == kExitOk);
  CHECK(table.out.starts_with("database      replica  key            value"));
  CHECK(table.out.find("/data/app.db  -        linger         9s") != std::string::npos);
  CHECK(table.out.find("flag -config") != std::string::npos);
  const Outcome changed = run({"config", "-changed", "-json", "-config", config});
  CHECK(changed.out.find("sync-interval") == std::string::npos);
  CHECK(changed.out.find(R"("key":"linger","value":"9s","origin":"litestream.yml:3")") !=
        std::string::npos);
}

TEST_CASE("commands: reset") {
  const test::TempDir dir;
  const std::string config = dir.file("litestream.yml");
  std::ofstream(config) << "db /data/app.db\n";
  CHECK(run({"reset", "-dry-run", "-config", config, "/data/app.db"}).out == "/meta/state\n");
  CHECK(run({"reset", "-config", config, "/data/app.db"}).out.find("1 files") != std::string::npos);
}

TEST_CASE("commands: version tells which MCP versions are spoken") {
  const Json version(run({"version", "-json"}).out);
  CHECK(version.text("/version") == LITESTREAM_VERSION);
  CHECK(version.text("/mcp_versions/0") == kStatelessVersion);
  CHECK(version.at("/mcp_versions").get_array().size() == handshake_versions().size() + 1);
  CHECK(run({"version", "-verbose"}).out.find("\nMCP 2026-07-28 2025-11-25") != std::string::npos);
}

TEST_CASE("commands: completion scripts name every command and flag") {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const Outcome script = run({"completion", shell});
    REQUIRE(script.status == kExitOk);
    for (const Command* command : all_commands()) {
      CHECK(script.out.find(command->name) != std::string::npos);
      for (const FlagSpec& flag : command->flags) {
        INFO(shell << " " << command->name << " " << flag.name);
        const bool dashed = script.out.find(std::string("-") + flag.name) != std::string::npos;
        const bool fish = script.out.find(std::string("-o ") + flag.name) != std::string::npos;
        CHECK((dashed || fish));
      }
    }
  }
}

TEST_CASE("tables: narrow terminals shorten texts in the middle, never numbers") {
  const SqlRows rows = {
      {"path", "size"},
      {{std::string("/var/lib/application/data/customers.db"), int64_t{123456789}}}};
  CHECK(format_table(rows, 200) == format_table(rows));
  const std::string narrow = format_table(rows, 30);
  CHECK(narrow ==
        "path                      size\n"
        "/var/l…customers.db  123456789\n");
  // Too narrow to say anything: what is left stays readable.
  CHECK(format_table(rows, 5).find("123456789") != std::string::npos);
}

}  // namespace
}  // namespace litestream
