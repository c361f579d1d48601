#include "ext/sqlite/hooks.h"

#include "ext/sqlite/guard_call.h"

#include <cstdint>
#include <cstring>

namespace litestream {
namespace {

constexpr int kDefaultAutocheckpointFrames = 1000;
// Committed locally, not confirmed on the replica: an extended code of ours.
constexpr int kNotConfirmed = SQLITE_IOERR | (0x4C << 8);

// What SQLite's own hook does.
void checkpoint_as_sqlite_would(sqlite3* db, const char* schema, int frame_count,
                                int autocheckpoint_frames) {
  if (autocheckpoint_frames <= 0 || frame_count < autocheckpoint_frames) return;
  (void)sqlite3_wal_checkpoint_v2(db, schema, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
}

// Runs after the commit, with the write lock released. An error from here would report a failure
// for a transaction that is durable, so in async mode there is none.
int on_wal(void* context, sqlite3* db, const char* schema, int frame_count) noexcept {
  auto* state = static_cast<ConnectionState*>(context);
  return guard_code([&] {
    const bool is_main = std::strcmp(schema, "main") == 0;
    const auto replicator = is_main ? state->replicator() : nullptr;
    if (replicator == nullptr || replicator->stopped()) {
      checkpoint_as_sqlite_would(db, schema, frame_count, state->autocheckpoint_frames);
      return SQLITE_OK;
    }
    replicator->note_commit();
    if (state->autocheckpoint_frames > 0 && !replicator->checkpoint_from_hook(frame_count)) {
      checkpoint_as_sqlite_would(db, schema, frame_count, state->autocheckpoint_frames);
    }
    if (replicator->options().durability != Durability::kReplica) return SQLITE_OK;
    const Status confirmed = replicator->wait_durable();
    if (confirmed.ok()) return SQLITE_OK;
    // A hook cannot set the error text, so the sentence is left where it can be asked for.
    state->set_last_error(confirmed.message());
    sqlite3_log(kNotConfirmed, "litestream: %s", confirmed.message().c_str());
    return kNotConfirmed;
  });
}

int on_first_commit(void* context) noexcept {
  auto* state = static_cast<ConnectionState*>(context);
  // The connection that runs this is not handed to commit hooks; the state knows it.
  install_wal_hook(state->db, state);
  sqlite3_commit_hook(state->db, nullptr, nullptr);
  return 0;
}

}  // namespace

void arm_hook_at_first_commit(sqlite3* db, ConnectionState* state) {
  if (state->hook_installed) return;
  sqlite3_commit_hook(db, on_first_commit, state);
}

void install_wal_hook(sqlite3* db, ConnectionState* state) {
  if (state->hook_installed) return;
  state->hook_installed = true;
  // The argument of SQLite's own hook is the number of frames; no hook at all (wal_autocheckpoint
  // 0) gives 0; anything else is a pointer, hence a hook of the application's.
  const auto before = reinterpret_cast<uintptr_t>(sqlite3_wal_hook(db, on_wal, state));
  constexpr uintptr_t kFrameCountMax = 1 << 30;
  if (before == 0) {
    state->autocheckpoint_frames = 0;
  } else if (before <= kFrameCountMax) {
    state->autocheckpoint_frames = static_cast<int>(before);
  } else {
    state->autocheckpoint_frames = kDefaultAutocheckpointFrames;
    if (const auto replicator = state->replicator()) {
      replicator->note_warning(
          "the application's own wal hook was replaced by litestream's on one connection; set it "
          "again after litestream_replicate() and replication goes on by file events");
    }
  }
}

}  // namespace litestream
