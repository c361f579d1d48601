// L0 files on their way into the spool. Replicator thread, run_file_job() apart.
//
// A file that is due without anybody waiting for it is sealed and handed to the pool, so that its
// compression and its fsyncs hold up no capture. Who claims it first writes it: the job, or this
// thread when all threads of the pool are busy with something else or somebody waits for the file.
// There is one at a time. Whatever needs the spool as it is waits for the end of a write that runs.
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "ext/engine/replicator.h"
#include "ext/engine/without_exceptions.h"

namespace litestream {
namespace {

constexpr uint64_t kPagesEveryFiles = 64;
// A thread of the pool takes a file within microseconds, if one is free.
constexpr int64_t kTakeOverMs = 100;

bool is_disk_full(const Status& status) {
  return status.message().find(std::strerror(ENOSPC)) != std::string::npos ||
         status.message().find(std::strerror(EDQUOT)) != std::string::npos;
}

}  // namespace

// ---------------------------------------------------------------- on the pool

struct Replicator::FileJob {
  std::shared_ptr<SealedFile> file;
  int64_t begun_ms = 0;
  std::atomic<bool> claimed{false};
  std::atomic<bool> done{false};
  std::optional<Result<LtxFileInfo>> result;  // once it is done
  // Of a replicator that failed meanwhile: others may have the spool when this is gone.
  std::unique_ptr<FileLock> owner_lock;
};

Result<LtxFileInfo> Replicator::write_sealed(SealedFile& file, SyncTurns* turns) {
  auto written = file.write(*parts_.spool, turns);
  if (written.ok()) note_spooled(*written);
  return written;
}

// By whoever wrote the file, at once: uploads that find it count it, too.
void Replicator::note_spooled(const LtxFileInfo& file) {
  const std::lock_guard lock(mutex_);
  spool_bytes_ += file.size_bytes;
  for (const auto& feed : feeds_) {
    if (feed->uploaded >= file.max_txid) continue;
    feed->unsent_bytes += file.size_bytes;
    if (feed->oldest_unsent_at_ms == 0) feed->oldest_unsent_at_ms = file.created_at_ms;
  }
}

void Replicator::run_file_job(FileJob& job) {
  if (job.claimed.exchange(true)) return;
  job.result = without_exceptions([&] { return write_sealed(*job.file, &sync_turns_); });
  job.done.store(true, std::memory_order_release);
  parts_.wake();
}

// Everything captured leaves memory, in the background.
Status Replicator::begin_file(int64_t now_ms) {
  if (spool_is_full()) return unavailable("the spool is full; the replica must catch up first");
  give_up_laggards();
  drop_useless_spool();
  if (capture_->sealed() == nullptr) LS_RETURN_IF_ERROR(capture_->seal(commit_time_ms_));
  file_ = std::make_shared<FileJob>();
  file_->file = capture_->sealed();
  file_->begun_ms = now_ms;
  last_flush_ms_ = now_ms;
  flush_due_ms_ = kNeverMs;
  const bool taken =
      parts_.jobs->submit([self = shared_from_this(), job = file_] { self->run_file_job(*job); });
  return taken ? Status() : settle_file();
}

// Busy: another thread writes it, whose end wakes this one. Else there is none when this returns.
Status Replicator::settle_file() {
  if (file_ == nullptr) return {};
  if (!file_->claimed.exchange(true)) {
    flushing_.store(true, std::memory_order_relaxed);
    file_->result = write_sealed(*file_->file, nullptr);
  } else if (!file_->done.load(std::memory_order_acquire)) {
    return busy("an L0 file is being written");
  }
  const auto job = std::exchange(file_, nullptr);
  return after_file(*job->result, true);
}

void Replicator::adopt_file(int64_t now_ms) {
  if (file_ == nullptr || !file_->done.load(std::memory_order_acquire)) return;
  const Status written = settle_file();
  if (!written.ok()) after_failed_flush(now_ms, written);
}

// False: it is being written, and the end of that wakes this thread. Else no other thread touches
// the spool; what was not written is still sealed or, if capture was given up, found by the next
// start.
bool Replicator::take_back_file() {
  if (file_ == nullptr) return true;
  if (!file_->claimed.exchange(true)) {
    file_.reset();
    return true;
  }
  if (!file_->done.load(std::memory_order_acquire)) return false;
  if (capture_ != nullptr) adopt_file(parts_.clock->monotonic_ms());
  file_.reset();
  return true;
}

// For good: until a write that runs has ended, the lock of the local folder stays with it.
void Replicator::leave_file() {
  if (take_back_file()) return;
  file_->owner_lock = std::move(owner_lock_);
  file_.reset();
}

// ---------------------------------------------------------------- when

int64_t Replicator::flush_due() const {
  if (file_ == nullptr) return flush_due_ms_;
  return file_->claimed.load() ? kNeverMs : file_->begun_ms + kTakeOverMs;
}

void Replicator::step_flush(int64_t now_ms) {
  if (file_ != nullptr) {
    // All threads of the pool are busy with something else, perhaps for long.
    if (now_ms >= flush_due() && take_back_file()) flush_due_ms_ = now_ms;
    if (file_ != nullptr || capture_ == nullptr) return;
  }
  if (!capture_->has_pending()) {
    flush_due_ms_ = kNeverMs;
    return;
  }
  // What a snapshot captured and could not write has no time yet.
  if (flush_due_ms_ == kNeverMs) flush_due_ms_ = now_ms;
  if (now_ms < flush_due_ms_ || put_off_flush(now_ms)) return;
  const bool was_taken_back = capture_->sealed() != nullptr;
  const Status flushed = may_begin_file() && !was_taken_back ? begin_file(now_ms) : flush_now();
  if (!flushed.ok()) after_failed_flush(now_ms, flushed);
}

// A burst need not wait for its second: the disk works while the rest is captured.
void Replicator::begin_large_file(int64_t now_ms) {
  const auto pending_bytes = static_cast<int64_t>(capture_->pending_bytes());
  if (pending_bytes <= parts_.options.pending_bytes_max / 2 || !may_begin_file()) return;
  const Status begun = begin_file(now_ms);
  if (!begun.ok()) after_failed_flush(now_ms, begun);
}

bool Replicator::may_begin_file() const {
  return file_ == nullptr && !snapshot_waits_ && !parts_.options.file_per_commit &&
         !capture_->pending_needs_mark();
}

void Replicator::after_failed_flush(int64_t now_ms, const Status& why) {
  if (spool_is_full()) {
    let_wal_go(why);
    return;
  }
  set_error(why);
  error_backoff_ms_ = next_backoff_ms(error_backoff_ms_);
  flush_due_ms_ = now_ms + error_backoff_ms_;
  if (why.code() == StatusCode::kPositionMismatch) resync(why);
}

// ---------------------------------------------------------------- on this thread

// Everything captured is in the spool when this returns Ok. Busy: a file is being written, whose
// end wakes this thread.
Status Replicator::flush_now() {
  if (!capture_->has_pending()) return {};
  LS_RETURN_IF_ERROR(settle_file());
  if (!capture_->has_pending()) return {};
  if (spool_is_full()) return unavailable("the spool is full; the replica must catch up first");
  give_up_laggards();
  drop_useless_spool();
  flushing_.store(true, std::memory_order_relaxed);
  if (const auto failed_before = capture_->sealed(); failed_before != nullptr) {
    LS_RETURN_IF_ERROR(after_file(write_sealed(*failed_before, nullptr), true));
    if (!capture_->has_unsealed()) return {};
    flushing_.store(true, std::memory_order_relaxed);
  }
  auto file = capture_->flush(*parts_.spool, commit_time_ms_);
  if (file.ok()) note_spooled(*file);
  return after_file(file, false);
}

Status Replicator::after_file(const Result<LtxFileInfo>& file, bool was_sealed) {
  flushing_.store(false, std::memory_order_relaxed);
  {
    const std::lock_guard lock(mutex_);
    counters_.disk_full = !file.ok() && is_disk_full(file.status());
  }
  if (!file.ok()) return Status(file.status()).with_context("write L0 file");
  clear_error();
  if (was_sealed) capture_->adopt_sealed();
  written_txid_ = capture_->written().txid;
  last_flush_ms_ = parts_.clock->monotonic_ms();
  if (!capture_->has_pending()) flush_due_ms_ = kNeverMs;
  ++files_since_pages_;
  bytes_since_pages_ += file->size_bytes;
  const uint64_t pages_bytes = uint64_t{capture_->sums().page_count()} * 8;
  save_local(files_since_pages_ >= kPagesEveryFiles && bytes_since_pages_ >= pages_bytes);
  return {};
}

void Replicator::save_local(bool with_pages) {
  if (with_pages) {
    const Status saved = capture_->sums().save(*parts_.fs, pages_path_);
    if (saved.ok()) {
      pages_txid_ = capture_->sums().txid();
      files_since_pages_ = bytes_since_pages_ = 0;
    } else {
      set_error(saved.with_context("page checksums"));
    }
  }
  LocalState state;
  state.position = capture_->written();
  state.page_size_bytes = capture_->sums().page_size_bytes();
  state.database_checksum = capture_->sums().database_checksum();
  state.replica_url = replica_urls(start_replicas());
  const Status saved = save_state(*parts_.fs, state_path_, state);
  if (!saved.ok()) set_error(saved.with_context("state"));
}

}  // namespace litestream
