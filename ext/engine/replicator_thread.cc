#include "ext/engine/replicator_thread.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "ext/base/log.h"

namespace litestream {
namespace {

// Busy writers touch the WAL thousands of times a second; the thread looks this often at most.
constexpr int64_t kEventPauseMs = 20;
constexpr uint32_t kWatchMask =
    IN_MODIFY | IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB | IN_MOVED_TO | IN_CREATE;

}  // namespace

void ReplicatorThread::Slot::wake() noexcept {
  flagged_.store(true, std::memory_order_seq_cst);
  thread_.signal();
}

void ReplicatorThread::Slot::stop_at(int64_t monotonic_ms) noexcept {
  stop_at_ms_.store(monotonic_ms);
  wake();
}

ReplicatorThread::~ReplicatorThread() {
  stop();
  close_descriptors();
}

void ReplicatorThread::signal() noexcept {
  if (signalled_.exchange(true, std::memory_order_seq_cst)) return;
  const uint64_t one = 1;
  const int fd = wake_fd_.load();
  // The counter cannot overflow: it is written once per wake-up.
  if (fd >= 0) (void)!::write(fd, &one, sizeof one);
}

Status ReplicatorThread::start_locked() {
  if (thread_.joinable()) return {};
  if (wake_fd_ < 0) wake_fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd_ < 0) return unavailable("no descriptor for the replicator thread");
  // A signal from before there was a descriptor reached nobody; the next one must.
  signalled_.store(false);
  // Without inotify the slow verifier still finds every commit.
  if (events_fd_ < 0) events_fd_ = ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  stopping_ = false;
  if (!start_thread(&thread_, [this] { run(); })) {
    return unavailable("the replicator thread cannot be started");
  }
  return {};
}

Status ReplicatorThread::add(std::shared_ptr<Slot> slot, std::shared_ptr<Replicator> replicator) {
  const std::lock_guard lock(mutex_);
  LS_RETURN_IF_ERROR(start_locked());
  slot->replicator_ = std::move(replicator);
  added_.push_back(std::move(slot));
  signal();
  return {};
}

void ReplicatorThread::stop() noexcept {
  std::thread thread;
  {
    const std::lock_guard lock(mutex_);
    thread.swap(thread_);
  }
  if (thread.joinable()) {
    stopping_ = true;
    signal();
    thread.join();
  }
}

void ReplicatorThread::forget_after_fork() noexcept { close_descriptors(); }

void ReplicatorThread::close_descriptors() noexcept {
  if (events_fd_ >= 0) ::close(std::exchange(events_fd_, -1));
  if (wake_fd_ >= 0) ::close(wake_fd_.exchange(-1));
}

void ReplicatorThread::run() noexcept {
  try {
    loop();
  } catch (const std::exception& error) {
    log_message(LogLevel::kError, error.what());
  }
}

void ReplicatorThread::loop() {
  int64_t events_after_ms = 0;
  while (!stopping_) {
    const int64_t now_ms = clock_.monotonic_ms();
    const bool listen = events_fd_ >= 0 && now_ms >= events_after_ms;
    pollfd fds[2] = {{wake_fd_, POLLIN, 0}, {events_fd_, POLLIN, 0}};
    int64_t due_ms = next_due();
    if (!listen && events_fd_ >= 0) due_ms = std::min(due_ms, events_after_ms);
    const int64_t wait_ms =
        due_ms == kNeverMs ? -1 : std::clamp<int64_t>(due_ms - now_ms, 0, 60'000);
    (void)::poll(fds, listen ? 2 : 1, static_cast<int>(wait_ms));
    drain_wake();
    if (listen && (fds[1].revents & POLLIN) != 0) {
      drain_events();
      events_after_ms = clock_.monotonic_ms() + kEventPauseMs;
    }
    step_due(clock_.monotonic_ms());
  }
}

void ReplicatorThread::drain_wake() noexcept {
  uint64_t count = 0;
  (void)!::read(wake_fd_, &count, sizeof count);
  // A full barrier: a flag set by somebody who saw signalled_ still true is seen by step_due.
  signalled_.exchange(false, std::memory_order_seq_cst);
}

void ReplicatorThread::drain_events() noexcept {
  alignas(inotify_event) char buffer[4096];
  while (true) {
    const ssize_t n = ::read(events_fd_, buffer, sizeof buffer);
    if (n <= 0) return;
    for (ssize_t at = 0; at < n;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
      take_event(*event);
    }
  }
}

void ReplicatorThread::take_event(const inotify_event& event) {
  if ((event.mask & IN_Q_OVERFLOW) != 0) {
    note_lost_events();
    return;
  }
  const auto it = slot_of_watch_.find(event.wd);
  if (it == slot_of_watch_.end()) return;
  Slot& slot = *it->second;
  const bool is_request = event.wd == slot.request_watch_;
  if ((event.mask & IN_IGNORED) != 0) {
    (is_request ? slot.request_watch_ : slot.watch_) = -1;
    slot_of_watch_.erase(it);
  } else if (is_request) {
    slot.replicator_->note_requests();
  } else if ((event.mask & (IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF)) != 0) {
    // Deleting a file that is open shows as a change of its link count.
    slot.replicator_->note_files_moved();
  } else {
    slot.replicator_->note_file_event();
  }
}

// The kernel dropped events: anything may have happened anywhere.
void ReplicatorThread::note_lost_events() {
  for (const auto& slot : slots_) {
    slot->replicator_->note_file_event();
    slot->replicator_->note_files_moved();
    slot->replicator_->note_requests();
  }
}

// What goes wrong with one database must not end the replication of the others.
void ReplicatorThread::step_slot(Slot& slot) noexcept {
  try {
    slot.due_ms_ = slot.replicator_->step();
    update_watch(slot);
  } catch (const std::exception& error) {
    slot.replicator_->fail_after_exception(error.what());
    slot.due_ms_ = kNeverMs;
  }
}

void ReplicatorThread::step_due(int64_t now_ms) {
  {
    const std::lock_guard lock(mutex_);
    for (auto& slot : added_) slots_.push_back(std::move(slot));
    added_.clear();
  }
  for (const auto& slot : slots_) {
    int64_t stop_at_ms = slot->stop_at_ms_.load();
    if (now_ms >= stop_at_ms && slot->stop_at_ms_.compare_exchange_strong(stop_at_ms, kNeverMs)) {
      slot->replicator_->request_idle_stop(slot->replicator_->options().shutdown_sync_timeout_ms);
    }
    if (!slot->flagged_.exchange(false, std::memory_order_acq_rel) && now_ms < slot->due_ms_) {
      continue;
    }
    step_slot(*slot);
  }
  std::erase_if(slots_, [this](const auto& slot) {
    if (!slot->replicator_->stopped()) return false;
    drop_watch(*slot, &slot->watch_);
    drop_watch(*slot, &slot->request_watch_);
    return true;
  });
}

void ReplicatorThread::drop_watch(const Slot& slot, int* watch) noexcept {
  const int number = std::exchange(*watch, -1);
  const auto it = slot_of_watch_.find(number);
  // A file has one number: a successor on the same database may have it by now.
  if (it == slot_of_watch_.end() || it->second != &slot) return;
  slot_of_watch_.erase(it);
  (void)::inotify_rm_watch(events_fd_, number);
}

// True when the watch is new.
bool ReplicatorThread::watch(Slot& slot, const std::string& path, bool wanted, int* watch) {
  if (wanted && *watch < 0) {
    *watch = ::inotify_add_watch(events_fd_, path.c_str(), kWatchMask);
    if (*watch < 0) return false;
    slot_of_watch_[*watch] = &slot;
    return true;
  }
  if (!wanted) drop_watch(slot, watch);
  return false;
}

// An event costs the writer a microsecond, so changes are not watched while commits flow.
void ReplicatorThread::update_watch_mask(Slot& slot) {
  const uint32_t mask = slot.replicator_->commits_flow() ? kWatchMask & ~IN_MODIFY : kWatchMask;
  if (slot.watch_ < 0 || mask == slot.watch_mask_) return;
  slot.watch_mask_ = mask;
  const std::string path = slot.replicator_->database_path() + "-wal";
  const int number = ::inotify_add_watch(events_fd_, path.c_str(), mask);
  if (number == slot.watch_) {
    if (mask == kWatchMask) slot.replicator_->note_file_event();
    return;
  }
  // Another file by now, or none.
  drop_watch(slot, &slot.watch_);
  if (number >= 0 && slot_of_watch_.find(number) == slot_of_watch_.end()) {
    (void)::inotify_rm_watch(events_fd_, number);
  }
  slot.replicator_->note_files_moved();
}

// What happened before a watch existed would go unnoticed, so a new one counts as an event.
void ReplicatorThread::update_watch(Slot& slot) {
  if (events_fd_ < 0) return;
  Replicator& replicator = *slot.replicator_;
  if (watch(slot, replicator.database_path() + "-wal", replicator.source_is_open(), &slot.watch_)) {
    slot.watch_mask_ = kWatchMask;
    replicator.note_file_event();
  }
  update_watch_mask(slot);
  if (watch(slot, requests_path(replicator.meta_path()), replicator.is_owner(),
            &slot.request_watch_)) {
    replicator.note_requests();
  }
}

int64_t ReplicatorThread::next_due() const {
  int64_t due_ms = kNeverMs;
  for (const auto& slot : slots_) {
    if (slot->flagged_.load(std::memory_order_acquire)) return 0;
    due_ms = std::min({due_ms, slot->due_ms_, slot->stop_at_ms_.load()});
  }
  return due_ms;
}

}  // namespace litestream
