#include "ext/engine/lease.h"

#include <cstdio>
#include <random>

#include "ext/base/durable_file.h"

namespace litestream {
namespace {

constexpr size_t kRecordBytesMax = 4096;

// Two hosts may have the same name, and containers the same process ids.
std::string nonce() {
  std::random_device random;
  const uint64_t value = (uint64_t{random()} << 32) | random();
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
  return text;
}

std::string holder_of(const Lease& lease) {
  return lease.owner.empty() ? std::string("another process") : lease.owner.substr(0, 256);
}

}  // namespace

LeaseKeeper::LeaseKeeper(LtxStore& store, FileSystem& fs, const Clock& clock, std::string owner,
                         std::string record_path)
    : store_(store),
      fs_(fs),
      clock_(clock),
      owner_(std::move(owner) + "/" + nonce()),
      record_path_(std::move(record_path)) {}

bool LeaseKeeper::is_fenced() const {
  const std::lock_guard lock(mutex_);
  return !unsupported_;
}

bool LeaseKeeper::is_held_elsewhere() const {
  const std::lock_guard lock(mutex_);
  return watched_.has_value();
}

void LeaseKeeper::release() {
  const std::lock_guard lock(mutex_);
  held_.reset();
  watched_.reset();
}

Status LeaseKeeper::ensure() {
  const std::lock_guard lock(mutex_);
  return ensure_locked();
}

Status LeaseKeeper::confirm() {
  const std::lock_guard lock(mutex_);
  if (unsupported_ || (held_ && clock_.monotonic_ms() < held_until_ms_)) return {};
  return ensure_locked();
}

Status LeaseKeeper::ensure_locked() {
  if (unsupported_) return {};
  if (!held_) return compete();
  if (held_until_ms_ - clock_.monotonic_ms() >= kLeaseTtlMs / 2) return {};
  const Status written = write(held_);
  if (written.code() != StatusCode::kPositionMismatch) return written;
  // A reply that was lost looks like somebody else's write.
  LS_ASSIGN_OR_RETURN(const auto now, store_.read_lease());
  if (now && now->owner == owner_ && now->generation == held_->generation + 1) {
    held_ = now;
    return write(held_);
  }
  return position_mismatch("the lease of " + store_.url() + " went to " +
                           (now ? holder_of(*now) : std::string("nobody: it was removed")) +
                           "; another writer uses this replica");
}

// We do not hold it: is it free?
Status LeaseKeeper::compete() {
  auto read = store_.read_lease();
  if (read.status().code() == StatusCode::kUnsupported) {
    unsupported_ = true;
    return {};
  }
  if (!read.ok()) return read.status();
  const std::optional<Lease> seen = std::move(*read);
  if (!seen) watched_.reset();
  const int64_t now_ms = clock_.monotonic_ms();
  if (seen && remembered() != seen->etag) {
    if (!watched_ || watched_->etag != seen->etag) {
      watched_ = seen;
      watched_since_ms_ = now_ms;
    }
    if (now_ms - watched_since_ms_ < kLeaseTtlMs) {
      return busy(holder_of(*seen) + " holds the lease of " + store_.url() +
                  ", or did within the last " + std::to_string(kLeaseTtlMs / 1000) + " s");
    }
  }
  const Status written = write(seen);
  if (written.code() == StatusCode::kPositionMismatch) {
    watched_.reset();
    return busy("another process took the lease of " + store_.url() + " just now");
  }
  return written;
}

Status LeaseKeeper::write(const std::optional<Lease>& seen) {
  const int64_t before_ms = clock_.monotonic_ms();
  Lease next;
  next.generation = (seen ? seen->generation : 0) + 1;
  next.expires_at_ms = clock_.wall_ms() + kLeaseTtlMs;
  next.owner = owner_;
  auto written = store_.write_lease(next, seen ? seen->etag : std::string());
  if (written.status().code() == StatusCode::kUnsupported) {
    unsupported_ = true;
    return {};
  }
  if (!written.ok()) return written.status();
  held_ = std::move(*written);
  held_until_ms_ = before_ms + kLeaseTtlMs;
  watched_.reset();
  // Lost, it costs the next start one TTL of waiting.
  if (!record_path_.empty()) {
    (void)write_small_file(fs_, record_path_, as_bytes(held_->etag), DurableFile::Sync::kNone).ok();
  }
  return {};
}

std::optional<std::string> LeaseKeeper::remembered() const {
  if (record_path_.empty()) return std::nullopt;
  auto record = read_small_file(fs_, record_path_, kRecordBytesMax);
  if (!record.ok()) return std::nullopt;
  return std::move(*record);
}

}  // namespace litestream
