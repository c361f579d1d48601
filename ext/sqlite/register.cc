#include "ext/sqlite/register.h"

#include <cstdlib>

#include "ext/base/log.h"
#include "ext/config/store_urls.h"
#include "ext/sqlite/functions.h"
#include "ext/sqlite/guard_call.h"
#include "ext/sqlite/hooks.h"
#include "ext/sqlite/own_connection.h"
#include "ext/sqlite/vtab.h"

namespace litestream {
namespace {

// Whatever touches files, threads or other databases must not run from a schema somebody else
// wrote.
constexpr int kActs = SQLITE_DIRECTONLY;

constexpr SqlFunction kFunctions[] = {
    {"litestream_version", 0, 0, SQLITE_INNOCUOUS | SQLITE_DETERMINISTIC, run_version},
    {"litestream_config", 1, 3, kActs, run_config},
    {"litestream_config_value", 1, 1, kActs, run_config_value},
    {"litestream_discover", 0, 0, kActs, run_discover},
    {"litestream_heartbeat", 1, 1, kActs, run_heartbeat},
    {"litestream_register", 2, 3, kActs, run_register},
    {"litestream_unregister", 1, 1, kActs, run_unregister},
    {"litestream_replicate", 1, 2, kActs, run_replicate},
    {"litestream_start", 1, 2, kActs, run_start},
    {"litestream_stop", 0, 1, kActs, run_stop},
    {"litestream_stop_all", 0, 0, kActs, run_stop_all},
    {"litestream_sync", 0, 2, kActs, run_sync},
    {"litestream_txid", 0, 1, kActs, run_txid},
    {"litestream_snapshot", 0, 1, kActs, run_snapshot},
    {"litestream_compact", 2, 2, kActs, run_compact},
    {"litestream_enforce_retention", 1, 1, kActs, run_enforce_retention},
    {"litestream_restore", 2, 3, kActs, run_restore},
    {"litestream_follow", 2, 3, kActs, run_follow},
    {"litestream_cancel", 1, 1, kActs, run_cancel},
    {"litestream_wait", 0, 2, kActs, run_wait},
    {"litestream_reset", 1, 2, kActs, run_reset},
    {"litestream_verify", 1, 2, kActs, run_verify},
    {"litestream_last_error", 0, 0, kActs, run_last_error},
};

void call_function(sqlite3_context* context, int argument_count, sqlite3_value** arguments) {
  guard_function(context, [&] {
    const auto* data = static_cast<const FunctionContext*>(sqlite3_user_data(context));
    SqlCall call(context, argument_count, arguments);
    const Status status = data->function->run(call);
    if (!status.ok()) call.fail(status);
  });
}

void destroy_function(void* data) noexcept {
  auto* context = static_cast<FunctionContext*>(data);
  --context->connection->registration_count;
  delete context;
}

// The registry learns of the close when the last registration lets go of the state.
std::shared_ptr<ConnectionState> make_connection_state(sqlite3* db) {
  std::shared_ptr<ConnectionState> state(new ConnectionState, [](ConnectionState* closing) {
    Registry::instance().connection_closed(closing);
    delete closing;
  });
  state->db = db;
  const char* name = sqlite3_db_filename(db, "main");
  if (name != nullptr && name[0] != '\0') {
    state->main_path = resolved_path(name);
    state->identity = identity_of(state->main_path);
  }
  return state;
}

int register_functions(sqlite3* db, const std::shared_ptr<ConnectionState>& state,
                       std::string* error) {
  for (const SqlFunction& function : kFunctions) {
    for (int n = function.argument_count_min; n <= function.argument_count_max; ++n) {
      // SQLite calls the destructor also when the registration fails.
      ++state->registration_count;
      const int code = sqlite3_create_function_v2(
          db, function.name, n, SQLITE_UTF8 | function.flags, new FunctionContext{&function, state},
          call_function, nullptr, nullptr, destroy_function);
      if (code == SQLITE_OK) continue;
      *error = std::string("cannot register ") + function.name;
      return code;
    }
  }
  for (const TableDefinition* table = kTables; table->name != nullptr; ++table) {
    const int code = register_table(db, *table);
    if (code == SQLITE_OK) continue;
    *error = std::string("cannot register ") + table->name;
    return code;
  }
  return SQLITE_OK;
}

// LITESTREAM_CONFIG, once per process; LITESTREAM_REPLICA_URL for the loading connection.
Status start_from_environment(const std::shared_ptr<ConnectionState>& state) {
  Registry& registry = Registry::instance();
  std::optional<DatabaseOptions> options =
      registry.start_on_open(state->identity, state->main_path);
  const char* url = ::secure_getenv("LITESTREAM_REPLICA_URL");
  if (!options && url != nullptr && url[0] != '\0' && registry.first_load() &&
      !state->main_path.empty()) {
    LS_ASSIGN_OR_RETURN(ReplicaOptions replica, replica_of_url(url));
    options.emplace();
    options->replicas = {std::move(replica)};
  }
  if (!options) return {};
  Registry::StartRequest request;
  request.path = state->main_path;
  request.options = *options;
  // Does not wait: what fails shows in litestream_status.
  LS_ASSIGN_OR_RETURN(const auto replicator, registry.start(request));
  (void)replicator;
  return {};
}

Status load_environment_config() {
  const char* path = ::secure_getenv("LITESTREAM_CONFIG");
  Registry& registry = Registry::instance();
  if (path == nullptr || path[0] == '\0' || !registry.first_load()) return {};
  LS_ASSIGN_OR_RETURN(const int count, registry.load_config(path));
  (void)count;
  registry.set_start_on_open(true);
  return {};
}

}  // namespace

int register_on_connection(sqlite3* db, std::string* error) {
  const Status loaded = load_environment_config();
  if (!loaded.ok()) {
    *error = "LITESTREAM_CONFIG: " + loaded.message();
    return SQLITE_ERROR;
  }
  if (Registry::instance().knows(db)) return SQLITE_OK;  // loaded twice
  const auto state = make_connection_state(db);
  const int code = register_functions(db, state, error);
  if (code != SQLITE_OK) return code;
  Registry& registry = Registry::instance();
  const Status started = start_from_environment(state);
  registry.loaded();
  if (!started.ok()) {
    *error = started.message();
    return SQLITE_ERROR;
  }
  registry.connection_opened(state);
  if (state->replicator() != nullptr) arm_hook_at_first_commit(db, state.get());
  return SQLITE_OK;
}

void log_to_sqlite() {
  set_log_sink([](LogLevel level, std::string_view message) noexcept {
    const int code = level == LogLevel::kError     ? SQLITE_ERROR
                     : level == LogLevel::kWarning ? SQLITE_WARNING
                                                   : SQLITE_NOTICE;
    sqlite3_log(code, "%.*s", static_cast<int>(message.size()), message.data());
  });
}

}  // namespace litestream
