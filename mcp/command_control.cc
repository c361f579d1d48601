// The commands that talk to a running `litestream replicate` through its control socket: info,
// list, start, stop, sync, register, unregister.
#include <simdjson.h>

#include <cstdio>
#include <filesystem>
#include <ostream>

#include "mcp/control_socket.h"
#include "mcp/json_writer.h"
#include "mcp/program.h"
#include "mcp/source_argument.h"
#include "mcp/sql_session.h"
#include "mcp/table_printer.h"

namespace litestream {
namespace {

constexpr int64_t kTimeoutSecondsMax = 24 * 3600;

// What a command needs to know before it asks.
struct Request {
  const char* command = "";
  std::string socket_path;
  bool socket_is_given = false;  // by -socket
  std::string database;          // absolute; "" for info and list
  int64_t timeout_ms = 0;
};

// -socket, else what the configuration says if there is one, else Litestream's own.
Result<std::string> choose_socket(const ParsedArgs& args) {
  if (args.has("socket")) return args.value("socket");
  LS_ASSIGN_OR_RETURN(const auto session, SqlSession::open(":memory:", {}));
  const Status loaded = load_config(*session, args);
  if (loaded.code() == StatusCode::kNotFound && !args.has("config")) {
    return std::string(kDefaultSocketPath);
  }
  LS_RETURN_IF_ERROR(loaded);
  LS_ASSIGN_OR_RETURN(const SqlValue path,
                      session->run_scalar("commands/config_value", {{"key", "socket.path"}}));
  return to_text(path).empty() ? std::string(kDefaultSocketPath) : to_text(path);
}

Result<Request> make_request(const char* command, const ParsedArgs& args, bool wants_database,
                             int64_t default_timeout_seconds) {
  Request request;
  request.command = command;
  if (args.positionals().size() != (wants_database ? 1 : 0)) {
    return invalid_argument(wants_database ? "give one database path"
                                           : "takes no arguments besides flags");
  }
  LS_ASSIGN_OR_RETURN(const int64_t seconds,
                      flag_number(args, "timeout", default_timeout_seconds, 1, kTimeoutSecondsMax));
  request.timeout_ms = seconds * 1000;
  LS_ASSIGN_OR_RETURN(request.socket_path, choose_socket(args));
  request.socket_is_given = args.has("socket");
  if (!wants_database) return request;
  if (is_url(args.positionals()[0])) return invalid_argument("give a database path, not a URL");
  // The other process has a working directory of its own.
  std::error_code error;
  request.database = std::filesystem::absolute(args.positionals()[0], error).lexically_normal();
  if (error || request.database.empty()) return invalid_argument("give one database path");
  return request;
}

// The answer's JSON, or the error in it.
Result<std::string> ask(const Request& request, const std::string& method,
                        const std::string& target, const std::string& body) {
  LS_ASSIGN_OR_RETURN(
      const ControlReply reply,
      ask_control_socket(request.socket_path, method, target, body, request.timeout_ms));
  if (reply.status == 200) return reply.body;
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  std::string_view text;
  const simdjson::padded_string padded(reply.body);
  if (parser.parse(padded).get(object) == simdjson::SUCCESS &&
      object["error"].get(text) == simdjson::SUCCESS) {
    return unavailable(std::string(text));
  }
  return unavailable("HTTP status " + std::to_string(reply.status));
}

std::string body_of(const Request& request, bool wait = false, const std::string& url = "") {
  JsonWriter writer;
  writer.begin_object().key("path").string(request.database);
  if (!url.empty()) writer.key("replica_url").string(url);
  if (wait) writer.key("wait").boolean(true);
  writer.key("timeout").integer(request.timeout_ms / 1000);
  return std::move(writer.end_object()).take();
}

int fail(Streams streams, const char* command, const Status& status) {
  return status.code() == StatusCode::kInvalidArgument
             ? usage_error(streams, command, status.message())
             : failure(streams, command, status);
}

// A member of the answer, as text; TXIDs as people see them everywhere else.
std::string shown(const simdjson::dom::element& value, std::string_view key) {
  uint64_t number = 0;
  if (value.get(number) == simdjson::SUCCESS) {
    if (!key.ends_with("txid")) return std::to_string(number);
    char text[24];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(number));
    return number == 0 ? "-" : text;
  }
  std::string_view text;
  return value.get(text) == simdjson::SUCCESS ? std::string(text) : simdjson::minify(value);
}

// One "name: value" line per member, or the object itself. `extra` members come last.
int print_object(Streams streams, const ParsedArgs& args, const std::string& json,
                 const std::vector<std::pair<std::string, std::string>>& extra) {
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  const simdjson::padded_string padded(json);
  if (parser.parse(padded).get(object) != simdjson::SUCCESS) {
    return failure(streams, "control", corrupt("the answer is not a JSON object"));
  }
  if (args.is_on("json")) {
    JsonWriter writer;
    writer.begin_object();
    for (const auto member : object) writer.key(member.key).raw(simdjson::minify(member.value));
    for (const auto& [key, value] : extra) writer.key(key).string(value);
    streams.out << writer.end_object().text() << '\n';
    return kExitOk;
  }
  for (const auto member : object) {
    streams.out << member.key << ": " << shown(member.value, member.key) << '\n';
  }
  for (const auto& [key, value] : extra) streams.out << key << ": " << value << '\n';
  return kExitOk;
}

// Without a control socket: the process that replicates a database can also be asked through the
// database's local folder, whatever program it is.
Result<std::string> ask_owner(const ParsedArgs& args, const Request& request, const char* sql,
                              const char* done) {
  LS_ASSIGN_OR_RETURN(const auto session, SqlSession::open(":memory:", {}));
  LS_RETURN_IF_ERROR(load_config(*session, args));
  const SqlParameters parameters = {{"database", request.database},
                                    {"timeout_ms", request.timeout_ms}};
  LS_RETURN_IF_ERROR(session->run(sql, parameters).status());
  JsonWriter writer;
  writer.begin_object().key("status").string(done).key("path").string(request.database);
  return std::move(writer.end_object()).take();
}

// Asks the socket, and where nobody listens the owner.
Result<std::string> ask_socket_or_owner(const ParsedArgs& args, const Request& request,
                                        const std::string& target, const std::string& body,
                                        const char* sql, const char* done) {
  auto answer = ask(request, "POST", target, body);
  if (answer.status().code() != StatusCode::kNotFound || request.socket_is_given) return answer;
  auto by_owner = ask_owner(args, request, sql, done);
  if (by_owner.ok()) return by_owner;
  // The extension cannot know that this is about another process.
  const bool is_nowhere =
      by_owner.status().message().find("not replicated by this process") != std::string::npos;
  return not_found(
      (is_nowhere ? "no process replicates " + request.database : by_owner.status().message()) +
      "; " + answer.status().message());
}

int run_info(const ParsedArgs& args, Streams streams) {
  const auto request = make_request("info", args, false, 10);
  if (!request.ok()) return fail(streams, "info", request.status());
  const auto answer = ask(*request, "GET", "/info", "");
  if (!answer.ok()) return failure(streams, "info", answer.status());
  return print_object(streams, args, *answer, {});
}

int run_list(const ParsedArgs& args, Streams streams) {
  const auto request = make_request("list", args, false, 10);
  if (!request.ok()) return fail(streams, "list", request.status());
  const auto answer = ask(*request, "GET", "/list", "");
  if (!answer.ok()) return failure(streams, "list", answer.status());
  if (args.is_on("json")) return print_object(streams, args, *answer, {});
  simdjson::dom::parser parser;
  simdjson::dom::array databases;
  const simdjson::padded_string padded(*answer);
  if (parser.parse(padded)["databases"].get(databases) != simdjson::SUCCESS) {
    return failure(streams, "list", corrupt("the answer has no databases"));
  }
  SqlRows rows;
  rows.columns = {"path", "status", "last_sync_at"};
  for (const simdjson::dom::element database : databases) {
    std::vector<SqlValue>& row = rows.rows.emplace_back();
    for (const std::string& column : rows.columns) {
      std::string_view text;
      row.push_back(database[column].get(text) == simdjson::SUCCESS ? SqlValue(std::string(text))
                                                                    : SqlValue(nullptr));
    }
  }
  streams.out << format_table(rows, streams.out_width);
  return kExitOk;
}

int run_start(const ParsedArgs& args, Streams streams) {
  const auto request = make_request("start", args, true, 30);
  if (!request.ok()) return fail(streams, "start", request.status());
  const auto answer = ask(*request, "POST", "/start", body_of(*request));
  if (!answer.ok()) return failure(streams, "start", answer.status());
  return print_object(
      streams, args, *answer,
      {{"db_path", request->database}, {"state", "running"}, {"socket", request->socket_path}});
}

int run_stop(const ParsedArgs& args, Streams streams) {
  const auto request = make_request("stop", args, true, 30);
  if (!request.ok()) return fail(streams, "stop", request.status());
  const auto answer =
      ask_socket_or_owner(args, *request, "/stop", body_of(*request), "commands/stop", "stopped");
  if (!answer.ok()) return failure(streams, "stop", answer.status());
  return print_object(
      streams, args, *answer,
      {{"db_path", request->database}, {"state", "stopped"}, {"socket", request->socket_path}});
}

int run_sync(const ParsedArgs& args, Streams streams) {
  const auto request = make_request("sync", args, true, 30);
  if (!request.ok()) return fail(streams, "sync", request.status());
  const auto answer = ask_socket_or_owner(
      args, *request, "/sync", body_of(*request, args.is_on("wait")), "commands/sync", "synced");
  if (!answer.ok()) return failure(streams, "sync", answer.status());
  return print_object(streams, args, *answer, {});
}

int run_register(const ParsedArgs& args, Streams streams) {
  if (args.value("replica").empty()) {
    return usage_error(streams, "register", "-replica URL is required");
  }
  const auto request = make_request("register", args, true, 30);
  if (!request.ok()) return fail(streams, "register", request.status());
  const auto answer =
      ask(*request, "POST", "/register", body_of(*request, false, args.value("replica")));
  if (!answer.ok()) return failure(streams, "register", answer.status());
  return print_object(streams, args, *answer,
                      {{"db_path", request->database},
                       {"replica", redacted_url(args.value("replica"))},
                       {"socket", request->socket_path}});
}

int run_unregister(const ParsedArgs& args, Streams streams) {
  const auto request = make_request("unregister", args, true, 30);
  if (!request.ok()) return fail(streams, "unregister", request.status());
  if (args.is_on("dry-run")) {
    streams.out << "would stop replicating " << request->database
                << ", after a last synchronisation within " << request->timeout_ms / 1000
                << " s, and forget it\nsocket: " << request->socket_path << "\nnothing was done\n";
    return kExitOk;
  }
  const auto answer = ask(*request, "POST", "/unregister", body_of(*request));
  if (!answer.ok()) return failure(streams, "unregister", answer.status());
  return print_object(streams, args, *answer,
                      {{"db_path", request->database}, {"socket", request->socket_path}});
}

constexpr FlagSpec kFlags[] = {{"socket", FlagKind::kValue},
                               {"timeout", FlagKind::kValue},
                               {"json", FlagKind::kSwitch},
                               {"config", FlagKind::kValue},
                               {"no-expand-env", FlagKind::kSwitch}};
constexpr FlagSpec kSyncFlags[] = {
    {"wait", FlagKind::kSwitch},   {"socket", FlagKind::kValue},
    {"timeout", FlagKind::kValue}, {"json", FlagKind::kSwitch},
    {"config", FlagKind::kValue},  {"no-expand-env", FlagKind::kSwitch}};
constexpr FlagSpec kRegisterFlags[] = {
    {"replica", FlagKind::kValue}, {"socket", FlagKind::kValue},
    {"timeout", FlagKind::kValue}, {"json", FlagKind::kSwitch},
    {"config", FlagKind::kValue},  {"no-expand-env", FlagKind::kSwitch}};
constexpr FlagSpec kUnregisterFlags[] = {
    {"dry-run", FlagKind::kSwitch}, {"socket", FlagKind::kValue},
    {"timeout", FlagKind::kValue},  {"json", FlagKind::kSwitch},
    {"config", FlagKind::kValue},   {"no-expand-env", FlagKind::kSwitch}};

// What the help of all of them says about the flags they share.
#define LITESTREAM_CONTROL_FLAGS                                                              \
  "  -socket PATH     its control socket (default: the configuration's socket path, else\n"   \
  "                   /var/run/litestream.sock)\n"                                            \
  "  -timeout SECONDS how long to wait\n"                                                     \
  "  -config FILE     the configuration that names the socket (default $LITESTREAM_CONFIG,\n" \
  "                   else /etc/litestream.yml)\n"                                            \
  "  -no-expand-env   leave $VAR and ${VAR} in it as they are\n"                              \
  "  -json            print the answer as JSON\n"

}  // namespace

const Command kInfoCommand = {"info", "tell about a running litestream replicate",
                              "Usage: litestream info [flags]\n\n"
                              "Shows version, process id, uptime and the number of databases of a "
                              "running\n`litestream replicate`.\n\n" LITESTREAM_CONTROL_FLAGS
                              "\nExamples:\n  litestream info\n  litestream info -json\n",
                              kFlags, run_info};

const Command kListCommand = {
    "list", "list what a running litestream replicate replicates",
    "Usage: litestream list [flags]\n\n"
    "Lists the databases of a running `litestream replicate`.\n\n" LITESTREAM_CONTROL_FLAGS
    "\nExamples:\n  litestream list\n  litestream list -json\n",
    kFlags, run_list};

const Command kStartCommand = {
    "start", "resume the replication of one database",
    "Usage: litestream start [flags] DB\n\n"
    "Starts a database that a running `litestream replicate` knows and does not replicate. To "
    "start\n"
    "replication as such, see litestream help replicate.\n\n" LITESTREAM_CONTROL_FLAGS
    "\nExample:\n  litestream start /data/app.db\n",
    kFlags, run_start};

const Command kStopCommand = {
    "stop", "pause the replication of one database",
    "Usage: litestream stop [flags] DB\n\n"
    "Uploads what is missing, then lets go of the database. Without a control socket the process\n"
    "that replicates it is asked through the database's local folder.\n\n" LITESTREAM_CONTROL_FLAGS
    "\nExample:\n  litestream stop /data/app.db\n",
    kFlags, run_stop};

const Command kSyncCommand = {
    "sync", "upload now what is committed",
    "Usage: litestream sync [flags] DB\n\n"
    "Has the process that replicates the database upload now. Without a control socket it is "
    "asked\n"
    "through the database's local folder, and waited for.\n\n"
    "  -wait            wait until the replicas have it\n" LITESTREAM_CONTROL_FLAGS
    "\nExamples:\n  litestream sync -wait /data/app.db\n  litestream sync -config litestream.yml "
    "app.db\n",
    kSyncFlags, run_sync};

const Command kRegisterCommand = {
    "register", "add a database to a running litestream replicate",
    "Usage: litestream register [flags] -replica URL DB\n\n"
    "Starts replicating a database that is not in the configuration, until the process ends.\n\n"
    "  -replica URL     where to\n" LITESTREAM_CONTROL_FLAGS
    "\nExample:\n  litestream register -replica s3://bucket/new /data/new.db\n",
    kRegisterFlags, run_register};

const Command kUnregisterCommand = {
    "unregister", "take a database from a running litestream replicate",
    "Usage: litestream unregister [flags] DB\n\n"
    "Uploads what is missing, lets go of the database and forgets it, until the process is "
    "started\n"
    "again.\n\n"
    "  -dry-run         only say what would be done\n" LITESTREAM_CONTROL_FLAGS
    "\nExample:\n  litestream unregister /data/old.db\n",
    kUnregisterFlags, run_unregister};

#undef LITESTREAM_CONTROL_FLAGS

}  // namespace litestream
