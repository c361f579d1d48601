// The control socket's endpoints and JSON, without a socket; and the socket itself.
#include "mcp/control_api.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <fstream>
#include <thread>

#include "mcp/control_socket.h"
#include "tests/mcp/fake_extension.h"
#include "tests/mcp/json_check.h"
#include "tests/support/temp_dir.h"

namespace litestream {
namespace {

using test::Json;

struct Fixture {
  Fixture() {
    test::install_fake_extension();
    test::set_fake_databases({"/data/app.db"});
  }
  LocalReply get(const std::string& path, std::map<std::string, std::string> query = {}) {
    return api.handle({"GET", path, std::move(query), ""});
  }
  LocalReply post(const std::string& path, const std::string& body) {
    return api.handle({"POST", path, {}, body});
  }
  ControlApi api;
};

TEST_CASE("control: list, info, txid and sync status") {
  Fixture f;
  const LocalReply list = f.get("/list");
  CHECK(list.status == 200);
  CHECK(list.body ==
        "{\"databases\":[{\"path\":\"/data/app.db\",\"status\":\"replicating\","
        "\"last_sync_at\":\"2026-01-03T04:05:03.000Z\"}]}\n");
  const Json info(f.get("/info").body);
  CHECK(info.text("/version") == LITESTREAM_VERSION);
  CHECK(info.integer("/pid") == ::getpid());
  CHECK(info.integer("/uptime_seconds") >= 0);
  CHECK(info.integer("/database_count") == 1);
  CHECK(info.text("/started_at").ends_with("Z"));
  CHECK(f.get("/txid", {{"path", "/data/app.db"}}).body == "{\"txid\":3}\n");
  const Json status(f.get("/debug/sync-status").body);
  CHECK(status.raw("/databases/0/active") == "false");
  CHECK(status.integer("/databases/0/txid") == 3);
  CHECK(status.integer("/databases/0/wal_size") == 4120);
  CHECK(f.get("/debug/sync-status", {{"path", "/data/app.db"}}).status == 200);
}

TEST_CASE("control: start, stop and sync") {
  Fixture f;
  const std::string body = R"({"path":"/data/app.db"})";
  CHECK(f.post("/start", body).body ==
        "{\"status\":\"already_running\",\"path\":\"/data/app.db\",\"txid\":3}\n");
  CHECK(f.post("/stop", body).body ==
        "{\"status\":\"stopped\",\"path\":\"/data/app.db\",\"txid\":3}\n");
  CHECK(f.post("/sync", R"({"path":"/data/app.db","wait":true,"timeout":5})").body ==
        "{\"status\":\"no_change\",\"path\":\"/data/app.db\",\"txid\":3,\"replicated_txid\":3}\n");
  test::set_fake_replica_txid("0000000000000002");
  CHECK(Json(f.post("/sync", body).body).text("/status") == "synced_local");
  test::set_fake_replica_txid("0000000000000003");
}

TEST_CASE("control: a stop that takes longer than the client waits") {
  Fixture f;
  test::set_fake_databases({"/data/stuck.db"});
  const LocalReply reply = f.post("/stop", R"({"path":"/data/stuck.db","timeout":1})");
  CHECK(reply.status == 504);
}

TEST_CASE("control: register and unregister, twice each") {
  Fixture f;
  const std::string body = R"({"path":"/new.db","replica_url":"file:///backup/new"})";
  CHECK(f.post("/register", body).body == "{\"status\":\"registered\",\"path\":\"/new.db\"}\n");
  CHECK(f.post("/register", body).body ==
        "{\"status\":\"already_registered\",\"path\":\"/new.db\"}\n");
  CHECK(f.post("/unregister", body).body ==
        "{\"status\":\"unregistered\",\"path\":\"/new.db\",\"txid\":3}\n");
  CHECK(f.post("/unregister", body).body ==
        "{\"status\":\"already_unregistered\",\"path\":\"/new.db\",\"txid\":0}\n");
  CHECK(f.post("/register", R"({"path":"/new.db"})").body ==
        "{\"error\":\"replica_url required\"}\n");
  CHECK(f.post("/register", R"({"path":"/new.db","replica_url":"nowhere"})").status == 400);
  // What cannot be started is forgotten again.
  CHECK(f.post("/register", R"({"path":"/missing.db","replica_url":"file:///b"})").status == 500);
  CHECK(Json(f.get("/list").body).at("/databases").get_array().size() == 1);
}

TEST_CASE("control: requests that make no sense") {
  Fixture f;
  CHECK(f.get("/nope").status == 404);
  CHECK(f.get("/").status == 404);
  CHECK(f.get("/txid").status == 400);
  CHECK(f.get("/txid", {{"path", "/unknown.db"}}).status == 404);
  CHECK(f.post("/start", R"({"path":"/unknown.db"})").status == 404);
  for (const char* body : {"", "x", "[]", "{}", R"({"path":5})", R"({"path":""})",
                           R"({"path":"/data/app.db","timeout":-1})",
                           R"({"path":"/data/app.db","timeout":99999999})"}) {
    INFO(body);
    const LocalReply reply = f.post("/start", body);
    CHECK(reply.status == 400);
    CHECK_FALSE(Json(reply.body).text("/error").empty());
  }
  CHECK(f.post("/nope", R"({"path":"/data/app.db"})").status == 404);
  CHECK(f.api.handle({"PUT", "/list", {}, ""}).status == 405);
}

TEST_CASE("control socket: permissions, answers, and its end") {
  Fixture f;
  const test::TempDir dir;
  const std::string path = dir.file("ls.sock");
  {
    const auto socket = ControlSocket::start(path, 0640);
    REQUIRE(socket.ok());
    struct stat st {};
    REQUIRE(::stat(path.c_str(), &st) == 0);
    CHECK(S_ISSOCK(st.st_mode));
    CHECK((st.st_mode & 0777) == 0640);
    for (int i = 0; i < 20; ++i) {
      const auto reply = ask_control_socket(path, "GET", "/txid?path=/data/app.db", "", 5000);
      REQUIRE(reply.ok());
      CHECK(reply->status == 200);
      CHECK(reply->body == "{\"txid\":3}\n");
    }
    const auto too_long =
        ask_control_socket(path, "POST", "/start", std::string(100'000, ' '), 5000);
    REQUIRE(too_long.ok());
    CHECK(too_long->status == 413);
    const auto second = ControlSocket::start(path, 0600);
    CHECK(second.status().code() == StatusCode::kAlreadyExists);
  }
  CHECK(::access(path.c_str(), F_OK) != 0);
  const auto nobody = ask_control_socket(path, "GET", "/list", "", 5000);
  CHECK(nobody.status().code() == StatusCode::kNotFound);
  CHECK(nobody.status().message().find("socket: {enabled: true}") != std::string::npos);
}

TEST_CASE("control socket: what a dead process left is replaced, what is no socket is not") {
  Fixture f;
  const test::TempDir dir;
  const std::string path = dir.file("ls.sock");
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, path.size());
  REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  ::close(fd);
  CHECK(ControlSocket::start(path, 0600).ok());
  const std::string file = dir.file("file");
  std::ofstream(file) << "precious";
  CHECK(ControlSocket::start(file, 0600).status().code() == StatusCode::kAlreadyExists);
  CHECK(ControlSocket::start(dir.file("none/ls.sock"), 0600).status().code() ==
        StatusCode::kNotFound);
  CHECK(ControlSocket::start(dir.file(std::string(200, 'x')), 0600).status().code() ==
        StatusCode::kInvalidArgument);
}

TEST_CASE("control socket: it ends although a request runs") {
  Fixture f;
  test::set_fake_databases({"/data/stuck.db"});
  const test::TempDir dir;
  const std::string path = dir.file("ls.sock");
  auto socket = ControlSocket::start(path, 0600);
  REQUIRE(socket.ok());
  std::atomic<int> status{0};
  std::thread client([&] {
    const auto reply =
        ask_control_socket(path, "POST", "/stop", R"({"path":"/data/stuck.db"})", 60'000);
    status = reply.ok() ? reply->status : -1;
  });
  while (test::fake_waiting_count() == 0) std::this_thread::yield();
  (*socket).reset();
  client.join();
  CHECK(status.load() == 504);
}

}  // namespace
}  // namespace litestream
