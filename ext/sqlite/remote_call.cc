#include "ext/sqlite/remote_call.h"

#include <atomic>
#include <functional>
#include <thread>

#include "ext/base/clock.h"

namespace litestream {
namespace {

constexpr int64_t kInterruptProbeMs = 20;

// Asks SQLite on the connection's thread only; other threads hear what it said last.
std::function<bool()> interrupt_check(sqlite3* db) {
  struct Shared {
    std::atomic<bool> interrupted{false};
    int64_t probed_ms = 0;  // of the connection's thread
  };
  return [db, thread = std::this_thread::get_id(), shared = std::make_shared<Shared>()] {
    if (shared->interrupted.load() || std::this_thread::get_id() != thread) {
      return shared->interrupted.load();
    }
    const int64_t now_ms = system_clock().monotonic_ms();
    if (now_ms - shared->probed_ms < kInterruptProbeMs) return false;
    shared->probed_ms = now_ms;
    if (is_interrupted(db)) shared->interrupted.store(true);
    return shared->interrupted.load();
  };
}

int64_t deadline_in(int64_t time_ms) {
  if (time_ms == RemoteCall::kNoLimit) return CallLimits::kNoDeadline;
  return system_clock().monotonic_ms() + time_ms;
}

// Whether a write transaction is open on a file: temporary and in-memory databases are this
// connection's alone.
bool holds_up_writers(sqlite3* db) {
  if (sqlite3_txn_state(db, nullptr) != SQLITE_TXN_WRITE) return false;
  sqlite3_stmt* names = nullptr;
  const int code =
      sqlite3_prepare_v2(db, "SELECT name FROM pragma_database_list", -1, &names, nullptr);
  bool found = code != SQLITE_OK;
  while (!found && sqlite3_step(names) == SQLITE_ROW) {
    const auto* name = reinterpret_cast<const char*>(sqlite3_column_text(names, 0));
    const char* file = name == nullptr ? nullptr : sqlite3_db_filename(db, name);
    const bool is_file = file != nullptr && *file != '\0';
    found = is_file && sqlite3_txn_state(db, name) == SQLITE_TXN_WRITE;
  }
  sqlite3_finalize(names);
  return found;
}

}  // namespace

bool is_interrupted(sqlite3* db) {
  return sqlite3_exec(db, "SELECT 1", nullptr, nullptr, nullptr) == SQLITE_INTERRUPT;
}

Status refuse_in_write_transaction(sqlite3* db) {
  if (!holds_up_writers(db)) return {};
  return invalid_argument(
      "a remote replica is not read inside a write transaction, which would hold up all other "
      "writers until the network answers; COMMIT or ROLLBACK first, or use another connection");
}

RemoteCall::RemoteCall(sqlite3* db, int64_t time_ms)
    : limits_(deadline_in(time_ms), interrupt_check(db)) {
  Status refused = refuse_in_write_transaction(db);
  if (!refused.ok()) refusal_ = std::make_unique<CallLimits>(std::move(refused));
}

}  // namespace litestream
