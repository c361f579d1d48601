// At most one of a process's big jobs at a time, whatever the number of databases: snapshots, large
// compactions, verifies. Each of them may use tens of MiB and all of a disk or a line; jobs of the
// pool must not wait for each other, so they ask and come back later.
// Threading: thread-safe.
#pragma once

#include <atomic>
#include <optional>
#include <utility>

namespace litestream {

class BigJobGate {
 public:
  // Holds the gate until it is destroyed; the gate must outlive it.
  class Pass {
   public:
    Pass(Pass&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
    Pass& operator=(Pass&& other) noexcept {
      std::swap(gate_, other.gate_);
      return *this;
    }
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;
    ~Pass() {
      if (gate_ != nullptr) gate_->taken_.store(false);
    }

   private:
    friend class BigJobGate;
    explicit Pass(BigJobGate& gate) : gate_(&gate) {}
    BigJobGate* gate_;
  };

  // nullopt: another big job runs; ask again in a second or so.
  [[nodiscard]] std::optional<Pass> try_enter() {
    if (taken_.exchange(true)) return std::nullopt;
    return Pass(*this);
  }
  bool is_taken() const { return taken_.load(); }

 private:
  std::atomic<bool> taken_{false};
};

// Of this process; immortal.
inline BigJobGate& big_job_gate() {
  static BigJobGate* const gate = new BigJobGate;
  return *gate;
}

}  // namespace litestream
