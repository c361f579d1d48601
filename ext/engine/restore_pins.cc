#include "ext/engine/restore_pins.h"

#include <utility>

namespace litestream {

RestorePins::Key RestorePins::key_of(const std::string& replica_url, const LtxFileInfo& file) {
  return {replica_url, file.level, file.min_txid.value, file.max_txid.value};
}

RestorePins::Pin RestorePins::pin(const std::string& replica_url,
                                  std::span<const LtxFileInfo> files) {
  Pin pin;
  pin.keys_.reserve(files.size());
  for (const LtxFileInfo& file : files) pin.keys_.push_back(key_of(replica_url, file));
  const std::lock_guard lock(mutex_);
  for (const Key& key : pin.keys_) ++pinned_[key];
  pin.pins_ = this;
  return pin;
}

void RestorePins::unpin(const std::vector<Key>& keys) noexcept {
  const std::lock_guard lock(mutex_);
  for (const Key& key : keys) {
    const auto found = pinned_.find(key);
    if (found != pinned_.end() && --found->second == 0) pinned_.erase(found);
  }
}

bool RestorePins::is_pinned(const std::string& replica_url, const LtxFileInfo& file) const {
  const std::lock_guard lock(mutex_);
  return !pinned_.empty() && pinned_.contains(key_of(replica_url, file));
}

size_t RestorePins::count() const {
  const std::lock_guard lock(mutex_);
  return pinned_.size();
}

void RestorePins::Pin::release() noexcept {
  if (pins_ != nullptr) pins_->unpin(keys_);
  pins_ = nullptr;
  keys_.clear();
}

RestorePins& restore_pins() {
  static RestorePins* const pins = new RestorePins;
  return *pins;
}

}  // namespace litestream
