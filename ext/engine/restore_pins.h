// Files that running restores of this process still need, so that retention leaves them alone.
// Other processes are not asked: their restores plan anew when a file is gone.
// Threading: thread-safe.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "ext/ltx/types.h"

namespace litestream {

class RestorePins {
  using Key = std::tuple<std::string, int, uint64_t, uint64_t>;  // URL, level, min, max

 public:
  // Holds the files until it is destroyed. The registry must outlive it.
  class Pin {
   public:
    Pin() = default;
    ~Pin() { release(); }
    Pin(Pin&& other) noexcept { swap(other); }
    Pin& operator=(Pin&& other) noexcept {
      if (this != &other) {
        release();
        swap(other);
      }
      return *this;
    }
    Pin(const Pin&) = delete;
    Pin& operator=(const Pin&) = delete;

   private:
    friend class RestorePins;
    void release() noexcept;
    void swap(Pin& other) noexcept {
      std::swap(pins_, other.pins_);
      keys_.swap(other.keys_);
    }
    RestorePins* pins_ = nullptr;
    std::vector<Key> keys_;
  };

  // `replica_url`: LtxStore::url(). Retention may have taken a file just before: whoever reads
  // still plans anew on NotFound.
  [[nodiscard]] Pin pin(const std::string& replica_url, std::span<const LtxFileInfo> files);
  bool is_pinned(const std::string& replica_url, const LtxFileInfo& file) const;
  size_t count() const;  // of pinned files

 private:
  static Key key_of(const std::string& replica_url, const LtxFileInfo& file);
  void unpin(const std::vector<Key>& keys) noexcept;

  mutable std::mutex mutex_;
  std::map<Key, size_t> pinned_;  // how often
};

// Of this process; immortal.
RestorePins& restore_pins();

}  // namespace litestream
