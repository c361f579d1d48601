#include "mcp/sql_session.h"

#include <sqlite3.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "mcp/embedded_sql.h"

namespace litestream {
namespace {

constexpr int kBusyTimeoutMs = 5000;

const std::chrono::steady_clock::time_point kProgramStart = std::chrono::steady_clock::now();

void program_error(sqlite3_context* context, int, sqlite3_value** arguments) noexcept {
  const auto* text = reinterpret_cast<const char*>(sqlite3_value_text(arguments[0]));
  sqlite3_result_error(context, text == nullptr ? "error" : text, -1);
}

void program_file_exists(sqlite3_context* context, int, sqlite3_value** arguments) noexcept {
  const auto* path = reinterpret_cast<const char*>(sqlite3_value_text(arguments[0]));
  std::error_code ignored;
  const bool exists = path != nullptr && std::filesystem::symlink_status(path, ignored).type() !=
                                             std::filesystem::file_type::not_found;
  sqlite3_result_int(context, exists && !ignored ? 1 : 0);
}

void program_uptime_seconds(sqlite3_context* context, int, sqlite3_value**) noexcept {
  const auto uptime = std::chrono::steady_clock::now() - kProgramStart;
  sqlite3_result_int64(context, std::chrono::duration_cast<std::chrono::seconds>(uptime).count());
}

// "512 B", "4.1 kB", "12 MB": decimal units as upstream prints them.
void program_size_text(sqlite3_context* context, int, sqlite3_value** arguments) noexcept {
  if (sqlite3_value_type(arguments[0]) == SQLITE_NULL) return;
  auto size = static_cast<double>(sqlite3_value_int64(arguments[0]));
  constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
  size_t unit = 0;
  while (size >= 999.5 && unit + 1 < std::size(kUnits)) {
    size /= 1000;
    ++unit;
  }
  const char* format = unit > 0 && size < 9.95 ? "%.1f %s" : "%.0f %s";
  char* text = sqlite3_mprintf(format, size, kUnits[unit]);
  sqlite3_result_text(context, text, -1, sqlite3_free);
}

struct HelperFunction {
  const char* name;
  int argument_count;
  void (*function)(sqlite3_context*, int, sqlite3_value**);
};
constexpr HelperFunction kHelperFunctions[] = {
    {"program_error", 1, program_error},
    {"program_file_exists", 1, program_file_exists},
    {"program_uptime_seconds", 0, program_uptime_seconds},
    {"program_size_text", 1, program_size_text},
};

int bind_value(sqlite3_stmt* statement, int index, const SqlValue& value) {
  if (const auto* integer = std::get_if<int64_t>(&value)) {
    return sqlite3_bind_int64(statement, index, *integer);
  }
  if (const auto* real = std::get_if<double>(&value)) {
    return sqlite3_bind_double(statement, index, *real);
  }
  if (const auto* text = std::get_if<std::string>(&value)) {
    return sqlite3_bind_text64(statement, index, text->data(), text->size(), SQLITE_STATIC,
                               SQLITE_UTF8);
  }
  return sqlite3_bind_null(statement, index);
}

SqlValue column_value(sqlite3_stmt* statement, int column) {
  switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER: return static_cast<int64_t>(sqlite3_column_int64(statement, column));
    case SQLITE_FLOAT: return sqlite3_column_double(statement, column);
    case SQLITE_NULL: return nullptr;
    default: break;
  }
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement, column));
  const auto size = static_cast<size_t>(sqlite3_column_bytes(statement, column));
  return bytes == nullptr ? std::string() : std::string(bytes, size);
}

// Ends the statement's read transaction whatever way run() returns.
class StatementReset {
 public:
  explicit StatementReset(sqlite3_stmt* statement) : statement_(statement) {}
  ~StatementReset() {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }
  StatementReset(const StatementReset&) = delete;
  StatementReset& operator=(const StatementReset&) = delete;

 private:
  sqlite3_stmt* statement_;
};

}  // namespace

std::string to_text(const SqlValue& value) {
  if (const auto* integer = std::get_if<int64_t>(&value)) return std::to_string(*integer);
  if (const auto* real = std::get_if<double>(&value)) return std::to_string(*real);
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  return "";
}

Result<std::unique_ptr<SqlSession>> SqlSession::open(
    const std::string& path, const std::vector<GivenSource>& given_sources) {
  sqlite3* connection = nullptr;
  // The URI form of file names stays off: a path is a path.
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
  const int code = sqlite3_open_v2(path.c_str(), &connection, flags, nullptr);
  if (connection == nullptr) return internal_error("out of memory");
  std::unique_ptr<SqlSession> session(new SqlSession(connection));
  if (code != SQLITE_OK) return session->error(code).with_context(path);
  LS_RETURN_IF_ERROR(session->set_up(given_sources));
  return session;
}

Status SqlSession::set_up(const std::vector<GivenSource>& given_sources) {
  sqlite3_extended_result_codes(connection_, 1);
  sqlite3_busy_timeout(connection_, kBusyTimeoutMs);
  for (const HelperFunction& helper : kHelperFunctions) {
    const int code = sqlite3_create_function_v2(connection_, helper.name, helper.argument_count,
                                                SQLITE_UTF8 | SQLITE_DIRECTONLY, nullptr,
                                                helper.function, nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) return error(code);
  }
  LS_RETURN_IF_ERROR(run("commands/session_setup").status());
  for (const GivenSource& given : given_sources) {
    const SqlValue type = given.type.empty() ? SqlValue(nullptr) : SqlValue(given.type);
    const SqlParameters parameters = {
        {"name", given.name}, {"source", given.source}, {"type", type}};
    LS_RETURN_IF_ERROR(run("commands/session_add_source", parameters).status());
  }
  return {};
}

SqlSession::~SqlSession() {
  for (const auto& entry : statements_) sqlite3_finalize(entry.second);
  sqlite3_close_v2(connection_);
}

void SqlSession::interrupt() { sqlite3_interrupt(connection_); }

Status SqlSession::error(int code) const {
  const std::string message = sqlite3_errmsg(connection_);
  switch (code & 0xFF) {
    case SQLITE_INTERRUPT: return cancelled(message);
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return busy(message);
    case SQLITE_CANTOPEN: return not_found(message);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return corrupt(message);
    case SQLITE_MISUSE: return internal_error(message);
    default: return io_error(message);
  }
}

Result<sqlite3_stmt*> SqlSession::prepare(std::string_view name) {
  const auto known = statements_.find(name);
  if (known != statements_.end()) return known->second;
  const auto all = embedded_sql();
  const auto file = std::find_if(all.begin(), all.end(),
                                 [&](const EmbeddedSql& entry) { return entry.name == name; });
  if (file == all.end()) return internal_error("no sql/" + std::string(name) + ".sql");
  sqlite3_stmt* statement = nullptr;
  const int code =
      sqlite3_prepare_v3(connection_, file->text.data(), static_cast<int>(file->text.size()),
                         SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return error(code);
  statements_.emplace(name, statement);
  return statement;
}

Result<SqlRows> SqlSession::run(std::string_view name, const SqlParameters& parameters) {
  LS_ASSIGN_OR_RETURN(sqlite3_stmt * statement, prepare(name));
  const StatementReset reset(statement);
  for (const auto& [parameter, value] : parameters) {
    const int index = sqlite3_bind_parameter_index(statement, (":" + parameter).c_str());
    if (index == 0) continue;
    const int code = bind_value(statement, index, value);
    if (code != SQLITE_OK) return error(code);
  }
  SqlRows result;
  const int column_count = sqlite3_column_count(statement);
  for (int i = 0; i < column_count; ++i) {
    result.columns.emplace_back(sqlite3_column_name(statement, i));
  }
  int code = sqlite3_step(statement);
  for (; code == SQLITE_ROW; code = sqlite3_step(statement)) {
    if (result.rows.size() == kSqlRowCountMax) return unsupported("too many rows to list");
    std::vector<SqlValue>& row = result.rows.emplace_back();
    row.reserve(static_cast<size_t>(column_count));
    for (int i = 0; i < column_count; ++i) row.push_back(column_value(statement, i));
  }
  if (code != SQLITE_DONE) return error(code);
  return result;
}

Result<SqlRows> SqlSession::run(std::string_view name, const SqlParameters& parameters,
                                Cancellation& cancellation) {
  // SQLite forgets an interrupt when a statement begins while no other runs. So one that touches no
  // table is kept running: then an interrupt counts from here on, whenever it comes.
  LS_ASSIGN_OR_RETURN(sqlite3_stmt * companion, prepare("commands/session_busy"));
  const StatementReset reset(companion);
  if (const int code = sqlite3_step(companion); code != SQLITE_ROW) return error(code);
  const Cancellation::Watch watch(cancellation, [this] { interrupt(); });
  auto rows = run(name, parameters);
  // An interrupt in the middle of preparing a statement comes out as some other error.
  const bool is_hidden = !rows.ok() && rows.status().code() != StatusCode::kCancelled;
  if (is_hidden && cancellation.is_cancelled()) return cancelled("interrupted");
  return rows;
}

Result<SqlValue> SqlSession::run_scalar(std::string_view name, const SqlParameters& parameters) {
  LS_ASSIGN_OR_RETURN(SqlRows result, run(name, parameters));
  if (result.rows.empty() || result.rows[0].empty()) return SqlValue(nullptr);
  return std::move(result.rows[0][0]);
}

}  // namespace litestream
