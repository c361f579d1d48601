#include "tests/mcp/fake_extension.h"

#include <sqlite3.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>

#include "tests/mcp/fake_tables.h"

struct sqlite3_api_routines;

namespace litestream::test {
namespace {

struct FakeState {
  std::mutex mutex;
  std::vector<std::string> databases;
  std::map<std::string, std::string> values;
  std::string replica_txid = "0000000000000003";
  std::vector<FakeJob> jobs;
  int64_t next_job_id = 1;
  int waiting_count = 0;
  bool restore_writes = true;
};

FakeState& state() {
  static FakeState instance;
  return instance;
}

std::string text_of(sqlite3_value* value) {
  const auto* text = reinterpret_cast<const char*>(sqlite3_value_text(value));
  return text == nullptr ? "" : text;
}

void answer(sqlite3_context* context, const std::string& text) {
  sqlite3_result_text(context, text.c_str(), -1, SQLITE_TRANSIENT);
}

void fail(sqlite3_context* context, const std::string& text) {
  sqlite3_result_error(context, text.c_str(), -1);
}

constexpr const char* kNewestTxid = "0000000000000003";

void version(sqlite3_context* context, int, sqlite3_value**) { answer(context, "0.1.0"); }

void config(sqlite3_context* context, int, sqlite3_value** arguments) {
  const std::string path = text_of(arguments[0]);
  std::ifstream in(path);
  std::vector<std::string> databases;
  std::map<std::string, std::string> values = {{"config-path", path}};
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    std::istringstream words(line);
    std::string key, value;
    words >> key >> value;
    if (key == "db") {
      databases.push_back(value);
    } else if (key.starts_with("mcp-") || key == "log-level" || key == "addr" || key == "exec" ||
               key.find('.') != std::string::npos) {
      values[key] = value;
    } else {
      return fail(context, "litestream_config: " + path + ":" + std::to_string(number) +
                               ": unknown key \"" + key + "\"");
    }
  }
  const std::lock_guard lock(state().mutex);
  state().databases = databases;
  state().values = values;
  sqlite3_result_int64(context, static_cast<sqlite3_int64>(databases.size()));
}

void config_value(sqlite3_context* context, int, sqlite3_value** arguments) {
  const std::lock_guard lock(state().mutex);
  const auto found = state().values.find(text_of(arguments[0]));
  if (found != state().values.end()) answer(context, found->second);
}

void register_database(sqlite3_context* context, int, sqlite3_value** arguments) {
  const std::string url = text_of(arguments[1]);
  if (url.find("://") == std::string::npos) {
    return fail(context, "litestream_register: not a URL: " + url);
  }
  sqlite3_log(SQLITE_NOTICE, "litestream: fake registration");
  const std::lock_guard lock(state().mutex);
  state().databases.push_back(text_of(arguments[0]));
  answer(context, url);
}

void unregister(sqlite3_context* context, int, sqlite3_value** arguments) {
  const std::string database = text_of(arguments[0]);
  {
    const std::lock_guard lock(state().mutex);
    std::erase(state().databases, database);
  }
  answer(context, kNewestTxid);
}

void discover(sqlite3_context* context, int, sqlite3_value**) {
  answer(context, R"({"found":[],"gone":[]})");
}

void txid(sqlite3_context* context, int count, sqlite3_value** arguments) {
  const std::string database = count > 0 ? text_of(arguments[0]) : "";
  if (database.find("missing") != std::string::npos) {
    return fail(context, "litestream_start: no such database: " + database);
  }
  answer(context, kNewestTxid);
}

bool is_interrupted(sqlite3_context* context) {
  sqlite3* connection = sqlite3_context_db_handle(context);
  return sqlite3_exec(connection, "SELECT 1", nullptr, nullptr, nullptr) == SQLITE_INTERRUPT;
}

// Runs until somebody interrupts the connection.
void wait_for_interrupt(sqlite3_context* context) {
  {
    const std::lock_guard lock(state().mutex);
    ++state().waiting_count;
  }
  while (!is_interrupted(context)) sqlite3_sleep(5);
  {
    const std::lock_guard lock(state().mutex);
    --state().waiting_count;
  }
  sqlite3_result_error_code(context, SQLITE_INTERRUPT);
}

// A second of work that litestream_jobs shows. False: interrupted.
bool work_steadily(sqlite3_context* context, const std::string& database) {
  constexpr int kStepCount = 20;
  int64_t id = 0;
  {
    const std::lock_guard lock(state().mutex);
    id = state().next_job_id++;
    state().jobs.push_back({id, "restore", database, 0, kStepCount * 1000});
  }
  bool interrupted = false;
  for (int i = 0; i < kStepCount && !interrupted; ++i) {
    sqlite3_sleep(50);
    interrupted = is_interrupted(context);
    const std::lock_guard lock(state().mutex);
    for (FakeJob& job : state().jobs) job.done_bytes += job.id == id ? 1000 : 0;
  }
  const std::lock_guard lock(state().mutex);
  std::erase_if(state().jobs, [&](const FakeJob& job) { return job.id == id; });
  if (interrupted) sqlite3_result_error_code(context, SQLITE_INTERRUPT);
  return !interrupted;
}

void restore(sqlite3_context* context, int count, sqlite3_value** arguments) {
  const std::string source = text_of(arguments[0]);
  const std::string output = text_of(arguments[1]);
  const std::string options = count > 2 ? text_of(arguments[2]) : "{}";
  bool writes = false;
  {
    const std::lock_guard lock(state().mutex);
    writes = state().restore_writes;
  }
  if (writes && source.find("slow") != std::string::npos) return wait_for_interrupt(context);
  if (writes && source.find("steady") != std::string::npos && !work_steadily(context, source))
    return;
  std::error_code ignored;
  const bool overwrites = options.find("\"overwrite\":true") != std::string::npos;
  if (std::filesystem::exists(output, ignored) && !overwrites) {
    return fail(context, "litestream_restore: " + output + " exists; choose another output");
  }
  if (options.find("98765\"") != std::string::npos) {
    return fail(context, "litestream_restore: TXIDs are hexadecimal, 16 digits");
  }
  if (writes) std::ofstream(output) << "restored";
  answer(context,
         "{\"restored_path\":\"" + output + "\",\"txid\":\"" + kNewestTxid + "\",\"size\":8}");
}

// Nothing to follow with: the double restores eight bytes that are no database.
void follow(sqlite3_context* context, int, sqlite3_value** arguments) {
  answer(context, std::string("{\"restored_path\":\"") + text_of(arguments[1]) + "\",\"txid\":\"" +
                      kNewestTxid + "\",\"size\":8,\"pages\":0," +
                      "\"restored\":false,\"current\":true}");
}

void stop(sqlite3_context* context, int count, sqlite3_value** arguments) {
  if (count == 0 || text_of(arguments[0]).find("stuck") == std::string::npos) {
    return txid(context, count, arguments);
  }
  sqlite3_log(SQLITE_NOTICE, "litestream: fake stop begins");
  wait_for_interrupt(context);
}

void verify(sqlite3_context* context, int, sqlite3_value** arguments) {
  const std::string source = text_of(arguments[0]);
  if (source.find("broken") != std::string::npos) {
    return answer(context, R"({"ok":false,"files":3,"errors":["L0 file 2: bad checksum"]})");
  }
  answer(context, R"({"ok":true,"files":3,"errors":[]})");
}

void reset(sqlite3_context* context, int count, sqlite3_value**) {
  if (count > 1) return answer(context, R"(["/meta/state"])");
  sqlite3_result_null(context);
}

void enforce_retention(sqlite3_context* context, int, sqlite3_value**) {
  sqlite3_result_int(context, 2);
}

void heartbeat(sqlite3_context* context, int, sqlite3_value**) { sqlite3_result_int(context, 200); }

void stop_all(sqlite3_context* context, int, sqlite3_value**) {
  std::string out = "[";
  for (const std::string& database : fake_databases()) {
    if (database.find("stuck") != std::string::npos) {
      sqlite3_log(SQLITE_NOTICE, "litestream: fake stop begins");
      return wait_for_interrupt(context);
    }
    out += (out.size() > 1 ? "," : "") + ("{\"path\":\"" + database + "\",\"txid\":\"");
    out += std::string(kNewestTxid) + "\",\"error\":null}";
  }
  answer(context, out + "]");
}

struct FakeFunction {
  const char* name;
  int argument_count;
  void (*function)(sqlite3_context*, int, sqlite3_value**);
};

constexpr FakeFunction kFunctions[] = {{"litestream_version", 0, version},
                                       {"litestream_config", -1, config},
                                       {"litestream_config_value", 1, config_value},
                                       {"litestream_register", -1, register_database},
                                       {"litestream_unregister", 1, unregister},
                                       {"litestream_discover", 0, discover},
                                       {"litestream_heartbeat", 1, heartbeat},
                                       {"litestream_enforce_retention", 1, enforce_retention},
                                       {"litestream_start", -1, txid},
                                       {"litestream_stop_all", 0, stop_all},
                                       {"litestream_stop", -1, stop},
                                       {"litestream_sync", -1, txid},
                                       {"litestream_txid", -1, txid},
                                       {"litestream_snapshot", -1, txid},
                                       {"litestream_verify", -1, verify},
                                       {"litestream_reset", -1, reset},
                                       {"litestream_restore", -1, restore},
                                       {"litestream_follow", -1, follow}};

}  // namespace

std::vector<std::string> fake_databases() {
  const std::lock_guard lock(state().mutex);
  return state().databases;
}

std::string fake_replica_txid() {
  const std::lock_guard lock(state().mutex);
  return state().replica_txid;
}

std::vector<FakeJob> fake_jobs() {
  const std::lock_guard lock(state().mutex);
  return state().jobs;
}

void set_fake_value(const std::string& key, const std::string& value) {
  const std::lock_guard lock(state().mutex);
  state().values[key] = value;
}

void set_fake_replica_txid(const std::string& txid) {
  const std::lock_guard lock(state().mutex);
  state().replica_txid = txid;
}

int fake_waiting_count() {
  const std::lock_guard lock(state().mutex);
  return state().waiting_count;
}

void set_fake_databases(std::vector<std::string> paths) {
  const std::lock_guard lock(state().mutex);
  state().databases = std::move(paths);
  state().values = {{"config-path", "/etc/fake.yml"}};
  state().replica_txid = "0000000000000003";
  state().restore_writes = true;
}

void forbid_fake_restore_writes() {
  const std::lock_guard lock(state().mutex);
  state().restore_writes = false;
}

}  // namespace litestream::test

extern "C" int sqlite3_litestreamext_init(sqlite3* connection, char**,
                                          const sqlite3_api_routines*) {
  for (const auto& function : litestream::test::kFunctions) {
    const int code = sqlite3_create_function_v2(connection, function.name, function.argument_count,
                                                SQLITE_UTF8 | SQLITE_DIRECTONLY, nullptr,
                                                function.function, nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) return code;
  }
  return litestream::test::register_fake_tables(connection);
}

namespace litestream::test {

void install_fake_extension() {
  static const int code =
      sqlite3_auto_extension(reinterpret_cast<void (*)()>(sqlite3_litestreamext_init));
  static_cast<void>(code);
}

}  // namespace litestream::test
