#include "mcp/control_api.h"

#include <simdjson.h>
#include <unistd.h>

#include <charconv>

#include "ext/base/clock.h"
#include "mcp/deadline_watch.h"
#include "mcp/json_writer.h"

namespace litestream {

struct ControlApi::Command {
  std::string path;
  std::string replica_url;
  int64_t timeout_ms = 30'000;
  bool wait = false;
};

namespace {

constexpr int64_t kTimeoutSecondsMax = 24 * 3600;

LocalReply error_reply(int status, std::string_view error, std::string_view details = "") {
  JsonWriter writer;
  writer.begin_object().key("error").string(error);
  if (!details.empty()) writer.key("details").string(details);
  return {status, "application/json", std::move(writer.end_object()).take() + "\n"};
}

LocalReply json_reply(JsonWriter& writer) {
  return {200, "application/json", std::move(writer.end_object()).take() + "\n"};
}

// The extension names the databases that are known.
LocalReply failed(const Status& status) {
  const std::string& message = status.message();
  if (message.find("unknown database") != std::string::npos) return error_reply(404, message);
  const bool is_late =
      status.code() == StatusCode::kCancelled || message.find("in time") != std::string::npos;
  return error_reply(is_late ? 504 : 500, message);
}

uint64_t txid_number(const SqlValue& value) {
  const std::string text = to_text(value);
  uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number, 16);
  return number;
}

// A row of commands/control_state or control_states, by column name.
class Row {
 public:
  Row(const SqlRows& rows, size_t index) : rows_(rows), index_(index) {}
  const SqlValue& operator[](std::string_view column) const {
    static const SqlValue null = nullptr;
    for (size_t i = 0; i < rows_.columns.size(); ++i) {
      if (rows_.columns[i] == column) return rows_.rows[index_][i];
    }
    return null;
  }
  std::string text(std::string_view column) const { return to_text((*this)[column]); }
  int64_t integer(std::string_view column) const {
    const auto* number = std::get_if<int64_t>(&(*this)[column]);
    return number == nullptr ? 0 : *number;
  }

 private:
  const SqlRows& rows_;
  size_t index_;
};

Result<SqlRows> state_of(SqlSession& session, const std::string& path) {
  LS_ASSIGN_OR_RETURN(SqlRows rows, session.run("commands/control_state", {{"database", path}}));
  if (rows.rows.empty()) return not_found("unknown database '" + path + "'");
  return rows;
}

bool is_running(const std::string& status) {
  return status == "ok" || status == "starting" || status == "error" || status == "standby" ||
         status == "no database";
}

void write_sync_status(JsonWriter& writer, const Row& row) {
  writer.begin_object().key("path").string(row.text("path"));
  writer.key("active").boolean(row.integer("lag_ms") > 0);
  writer.key("status").string(row.text("status"));
  writer.key("txid").integer(static_cast<int64_t>(txid_number(row["local_txid"])));
  writer.key("replicated_txid").integer(static_cast<int64_t>(txid_number(row["replica_txid"])));
  writer.key("wal_size").integer(row.integer("wal_size"));
  writer.key("spool_size").integer(row.integer("spool_size"));
  writer.key("lag_ms").integer(row.integer("lag_ms"));
  if (!row.text("last_sync_at").empty()) {
    writer.key("last_sync_at").string(row.text("last_sync_at"));
  }
  if (!row.text("last_error").empty()) writer.key("error").string(row.text("last_error"));
  writer.end_object();
}

LocalReply status_reply(std::string_view status, const std::string& path, uint64_t txid) {
  JsonWriter writer;
  writer.begin_object().key("status").string(status).key("path").string(path);
  writer.key("txid").integer(static_cast<int64_t>(txid));
  return json_reply(writer);
}

}  // namespace

ControlApi::ControlApi()
    : pool_({}),
      started_at_ms_(system_clock().wall_ms()),
      started_monotonic_ms_(system_clock().monotonic_ms()) {}

LocalReply ControlApi::handle(const LocalRequest& request) {
  if (request.method == "GET") return get(request);
  if (request.method == "POST") return post(request);
  return error_reply(405, "use GET or POST");
}

LocalReply ControlApi::get(const LocalRequest& request) {
  const std::string& path = request.path;
  if (path != "/list" && path != "/info" && path != "/txid" && path != "/debug/sync-status") {
    return error_reply(404, "not found",
                       "GET /list, /info, /txid?path=, /debug/sync-status; POST /start, /stop, "
                       "/sync, /register, /unregister");
  }
  auto session = pool_.acquire();
  if (!session.ok()) return error_reply(503, session.status().message());
  if (path == "/list") return list(**session);
  if (path == "/info") return info(**session);
  if (path == "/txid") return txid(**session, request);
  return sync_status(**session, request);
}

LocalReply ControlApi::post(const LocalRequest& request) {
  simdjson::dom::parser parser;
  simdjson::dom::object body;
  const simdjson::padded_string padded(request.body);
  if (parser.parse(padded).get(body) != simdjson::SUCCESS) {
    return error_reply(400, "the body must be a JSON object");
  }
  Command command;
  std::string_view text;
  if (body["path"].get(text) == simdjson::SUCCESS) command.path = text;
  if (command.path.empty()) return error_reply(400, "path required");
  if (body["replica_url"].get(text) == simdjson::SUCCESS) command.replica_url = text;
  bool wait = false;
  if (body["wait"].get(wait) == simdjson::SUCCESS) command.wait = wait;
  int64_t seconds = 0;
  if (body["timeout"].get(seconds) == simdjson::SUCCESS && seconds != 0) {
    if (seconds < 0 || seconds > kTimeoutSecondsMax) {
      return error_reply(400, "timeout is a number of seconds from 1 to 86400");
    }
    command.timeout_ms = seconds * 1000;
  }
  using Method = LocalReply (ControlApi::*)(SqlSession&, const Command&);
  constexpr std::pair<std::string_view, Method> kMethods[] = {
      {"/start", &ControlApi::start},
      {"/stop", &ControlApi::stop},
      {"/sync", &ControlApi::sync},
      {"/register", &ControlApi::register_database},
      {"/unregister", &ControlApi::unregister}};
  for (const auto& [path, method] : kMethods) {
    if (path != request.path) continue;
    auto session = pool_.acquire();
    if (!session.ok()) return error_reply(503, session.status().message());
    return (this->*method)(**session, command);
  }
  return error_reply(404, "not found");
}

LocalReply ControlApi::list(SqlSession& session) {
  const auto rows = session.run("commands/control_states");
  if (!rows.ok()) return failed(rows.status());
  JsonWriter writer;
  writer.begin_object().key("databases").begin_array();
  for (size_t i = 0; i < rows->rows.size(); ++i) {
    const Row row(*rows, i);
    writer.begin_object().key("path").string(row.text("path"));
    writer.key("status").string(row.text("state"));
    const std::string last_sync_at = row.text("last_sync_at");
    if (!last_sync_at.empty()) writer.key("last_sync_at").string(last_sync_at);
    writer.end_object();
  }
  writer.end_array();
  return json_reply(writer);
}

LocalReply ControlApi::info(SqlSession& session) {
  const auto rows = session.run("commands/control_states");
  if (!rows.ok()) return failed(rows.status());
  const int64_t uptime_ms = system_clock().monotonic_ms() - started_monotonic_ms_;
  JsonWriter writer;
  writer.begin_object().key("version").string(LITESTREAM_VERSION);
  writer.key("pid").integer(::getpid()).key("uptime_seconds").integer(uptime_ms / 1000);
  writer.key("started_at").string(format_rfc3339_ms(started_at_ms_));
  writer.key("database_count").integer(static_cast<int64_t>(rows->rows.size()));
  return json_reply(writer);
}

LocalReply ControlApi::txid(SqlSession& session, const LocalRequest& request) {
  const auto path = request.query.find("path");
  if (path == request.query.end() || path->second.empty()) {
    return error_reply(400, "path required");
  }
  const auto rows = state_of(session, path->second);
  if (!rows.ok()) return failed(rows.status());
  JsonWriter writer;
  writer.begin_object().key("txid").integer(
      static_cast<int64_t>(txid_number(Row(*rows, 0)["local_txid"])));
  return json_reply(writer);
}

LocalReply ControlApi::sync_status(SqlSession& session, const LocalRequest& request) {
  const auto path = request.query.find("path");
  const auto rows = path == request.query.end() ? session.run("commands/control_states")
                                                : state_of(session, path->second);
  if (!rows.ok()) return failed(rows.status());
  JsonWriter writer;
  writer.begin_object().key("databases").begin_array();
  for (size_t i = 0; i < rows->rows.size(); ++i) write_sync_status(writer, Row(*rows, i));
  writer.end_array();
  return json_reply(writer);
}

LocalReply ControlApi::start(SqlSession& session, const Command& command) {
  const auto before = state_of(session, command.path);
  if (!before.ok()) return failed(before.status());
  const Row row(*before, 0);
  if (is_running(row.text("status"))) {
    return status_reply("already_running", command.path, txid_number(row["local_txid"]));
  }
  const auto txid = session.run_scalar(
      "commands/start_now", {{"database", command.path}, {"timeout_ms", command.timeout_ms}});
  if (!txid.ok()) return failed(txid.status());
  return status_reply("started", command.path, txid_number(*txid));
}

LocalReply ControlApi::stop(SqlSession& session, const Command& command) {
  const auto before = state_of(session, command.path);
  if (!before.ok()) return failed(before.status());
  const Row row(*before, 0);
  if (!is_running(row.text("status"))) {
    return status_reply("already_stopped", command.path, txid_number(row["local_txid"]));
  }
  DeadlineWatch deadline(command.timeout_ms);
  const auto rows =
      session.run("commands/stop", {{"database", command.path}}, deadline.cancellation());
  if (!rows.ok()) return failed(rows.status());
  return status_reply("stopped", command.path, txid_number(rows->rows[0][0]));
}

LocalReply ControlApi::sync(SqlSession& session, const Command& command) {
  const auto before = state_of(session, command.path);
  if (!before.ok()) return failed(before.status());
  // Without `wait` the upload is only asked for: it goes on when the statement has given up.
  const int64_t timeout_ms = command.wait ? command.timeout_ms : 1;
  const auto synced =
      session.run_scalar("commands/sync", {{"database", command.path}, {"timeout_ms", timeout_ms}});
  if (!synced.ok() && command.wait) return failed(synced.status());
  const auto after = state_of(session, command.path);
  if (!after.ok()) return failed(after.status());
  const Row row(*after, 0);
  const uint64_t local = txid_number(row["local_txid"]);
  const uint64_t replicated = txid_number(row["replica_txid"]);
  const bool unchanged = local == txid_number(Row(*before, 0)["local_txid"]) &&
                         replicated == txid_number(Row(*before, 0)["replica_txid"]);
  const char* status = command.wait ? "synced" : "synced_local";
  if (unchanged && local == replicated) status = "no_change";
  JsonWriter writer;
  writer.begin_object().key("status").string(status).key("path").string(command.path);
  writer.key("txid").integer(static_cast<int64_t>(local));
  writer.key("replicated_txid").integer(static_cast<int64_t>(replicated));
  return json_reply(writer);
}

LocalReply ControlApi::register_database(SqlSession& session, const Command& command) {
  if (command.replica_url.empty()) return error_reply(400, "replica_url required");
  if (state_of(session, command.path).ok()) {
    JsonWriter writer;
    writer.begin_object().key("status").string("already_registered");
    writer.key("path").string(command.path);
    return json_reply(writer);
  }
  const auto url = session.run_scalar("commands/register",
                                      {{"database", command.path}, {"url", command.replica_url}});
  if (!url.ok()) return error_reply(400, url.status().message());
  const auto started = session.run("commands/start", {{"database", command.path}});
  if (!started.ok()) {
    static_cast<void>(session.run("commands/unregister", {{"database", command.path}}).ok());
    return failed(started.status());
  }
  JsonWriter writer;
  writer.begin_object().key("status").string("registered").key("path").string(command.path);
  return json_reply(writer);
}

LocalReply ControlApi::unregister(SqlSession& session, const Command& command) {
  const auto before = state_of(session, command.path);
  if (!before.ok()) {
    if (failed(before.status()).status != 404) return failed(before.status());
    return status_reply("already_unregistered", command.path, 0);
  }
  DeadlineWatch deadline(command.timeout_ms);
  const auto rows =
      session.run("commands/unregister", {{"database", command.path}}, deadline.cancellation());
  if (!rows.ok()) return failed(rows.status());
  return status_reply("unregistered", command.path, txid_number(rows->rows[0][0]));
}

}  // namespace litestream
