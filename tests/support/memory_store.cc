#include "tests/support/memory_store.h"

#include <algorithm>
#include <cstring>

#include "ext/base/limits.h"
#include "ext/ltx/file_name.h"

namespace litestream::test {

class MemoryReader final : public RandomReader {
 public:
  MemoryReader(MemoryStore& store, LtxFileInfo file) : store_(store), file_(file) {}
  Result<size_t> read_at(uint64_t offset_bytes, MutableBytes out) override {
    LS_RETURN_IF_ERROR(store_.enter(StoreCall::kRead, &file_));
    const std::lock_guard lock(store_.mutex_);
    const auto object = store_.objects_.find(MemoryStore::key_of(file_));
    if (object == store_.objects_.end()) return not_found(store_.path_of(file_) + " is gone");
    const std::string& bytes = object->second.bytes;
    if (offset_bytes >= bytes.size()) return size_t{0};
    const size_t count = std::min<size_t>(out.size(), bytes.size() - offset_bytes);
    std::memcpy(out.data(), bytes.data() + offset_bytes, count);
    return count;
  }
  Result<uint64_t> size_bytes() override {
    LS_RETURN_IF_ERROR(store_.enter(StoreCall::kRead, &file_));
    const std::lock_guard lock(store_.mutex_);
    const auto object = store_.objects_.find(MemoryStore::key_of(file_));
    if (object == store_.objects_.end()) return not_found(store_.path_of(file_) + " is gone");
    return static_cast<uint64_t>(object->second.bytes.size());
  }

 private:
  MemoryStore& store_;
  const LtxFileInfo file_;
};

class MemoryWriter final : public LtxWriter {
 public:
  MemoryWriter(MemoryStore& store, LtxFileInfo file) : store_(store), file_(file) {}
  Status append(Bytes bytes) override {
    LS_RETURN_IF_ERROR(store_.enter(StoreCall::kAppend, &file_));
    bytes_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return {};
  }
  Status commit() override {
    LS_RETURN_IF_ERROR(store_.enter(StoreCall::kCommit, &file_));
    return store_.publish(file_, std::move(bytes_));
  }

 private:
  MemoryStore& store_;
  const LtxFileInfo file_;
  std::string bytes_;
};

MemoryStore::MemoryStore() = default;

MemoryStore::Key MemoryStore::key_of(const LtxFileInfo& file) {
  return {file.level, file.min_txid.value, file.max_txid.value};
}

void MemoryStore::set_hook(Hook hook) {
  const std::lock_guard lock(mutex_);
  hook_ = std::move(hook);
}

void MemoryStore::fail_call(uint64_t number, Status status) {
  const std::lock_guard lock(mutex_);
  fail_at_ = call_total_ + number;
  fail_with_ = std::move(status);
}

void MemoryStore::lose_next_commit_reply() {
  const std::lock_guard lock(mutex_);
  lose_commit_reply_ = true;
}

void MemoryStore::set_listing_lag(int count) {
  const std::lock_guard lock(mutex_);
  listing_lag_ = count;
}

uint64_t MemoryStore::call_count() const {
  const std::lock_guard lock(mutex_);
  return call_total_;
}

uint64_t MemoryStore::call_count(StoreCall call) const {
  const std::lock_guard lock(mutex_);
  const auto found = calls_.find(call);
  return found == calls_.end() ? 0 : found->second;
}

void MemoryStore::put(const LtxFileInfo& file, std::string bytes) {
  const std::lock_guard lock(mutex_);
  LtxFileInfo info = file;
  info.size_bytes = bytes.size();
  objects_[key_of(file)] = {info, std::move(bytes), 0};
}

std::string MemoryStore::bytes(const LtxFileInfo& file) const {
  const std::lock_guard lock(mutex_);
  const auto object = objects_.find(key_of(file));
  return object == objects_.end() ? std::string() : object->second.bytes;
}

void MemoryStore::set_bytes(const LtxFileInfo& file, std::string bytes) {
  put(file, std::move(bytes));
}

void MemoryStore::erase(const LtxFileInfo& file) {
  const std::lock_guard lock(mutex_);
  objects_.erase(key_of(file));
}

std::vector<LtxFileInfo> MemoryStore::files() const {
  const std::lock_guard lock(mutex_);
  std::vector<LtxFileInfo> files;
  for (const auto& [key, object] : objects_) files.push_back(object.info);
  return files;
}

void MemoryStore::set_generations(std::vector<GenerationInfo> generations) {
  const std::lock_guard lock(mutex_);
  generations_ = std::move(generations);
}

void MemoryStore::set_lease_supported(bool supported) {
  const std::lock_guard lock(mutex_);
  lease_is_supported_ = supported;
}

void MemoryStore::lose_next_lease_reply() {
  const std::lock_guard lock(mutex_);
  lose_lease_reply_ = true;
}

Status MemoryStore::enter(StoreCall call, const LtxFileInfo* file) {
  Hook hook;
  {
    const std::lock_guard lock(mutex_);
    ++call_total_;
    ++calls_[call];
    if (call_total_ == fail_at_) return fail_with_;
    hook = hook_;
  }
  return hook ? hook(call, file) : Status();
}

Status MemoryStore::publish(const LtxFileInfo& file, std::string bytes) {
  const std::lock_guard lock(mutex_);
  const auto existing = objects_.find(key_of(file));
  if (existing != objects_.end()) {
    if (existing->second.bytes == bytes) return {};
    return already_exists(path_of(file) + " exists with other content");
  }
  LtxFileInfo info = file;
  info.size_bytes = bytes.size();
  objects_[key_of(file)] = {info, std::move(bytes), listing_lag_};
  if (!lose_commit_reply_) return {};
  lose_commit_reply_ = false;
  return unavailable("the reply was lost");
}

Result<std::vector<LtxFileInfo>> MemoryStore::list(int level) {
  LS_RETURN_IF_ERROR(enter(StoreCall::kList, nullptr));
  if (level < 0 || level > kLevelMax) return invalid_argument("level out of range");
  const std::lock_guard lock(mutex_);
  std::vector<LtxFileInfo> files;
  for (auto& [key, object] : objects_) {
    if (object.info.level != level) continue;
    if (object.hidden_listings > 0) {
      --object.hidden_listings;
    } else {
      files.push_back(object.info);
    }
  }
  return files;
}

Result<std::unique_ptr<RandomReader>> MemoryStore::open(const LtxFileInfo& file) {
  LS_RETURN_IF_ERROR(enter(StoreCall::kOpen, &file));
  std::unique_ptr<RandomReader> reader = std::make_unique<MemoryReader>(*this, file);
  return reader;
}

Result<std::unique_ptr<LtxWriter>> MemoryStore::create(const LtxFileInfo& file) {
  LS_RETURN_IF_ERROR(enter(StoreCall::kCreate, &file));
  if (file.level < 0 || file.level > kLevelMax || file.min_txid.value == 0 ||
      file.max_txid < file.min_txid) {
    return invalid_argument("not a file of a replica");
  }
  std::unique_ptr<LtxWriter> writer = std::make_unique<MemoryWriter>(*this, file);
  return writer;
}

Result<std::vector<LtxFileInfo>> MemoryStore::remove(std::span<const LtxFileInfo> files,
                                                     Status* why) {
  if (files.size() > 1000) return invalid_argument("at most 1000 files per removal");
  std::vector<LtxFileInfo> remaining;
  Status first;
  for (const LtxFileInfo& file : files) {
    const Status status = enter(StoreCall::kRemove, &file);
    if (status.ok()) {
      erase(file);
    } else {
      if (first.ok()) first = status;
      remaining.push_back(file);
    }
  }
  if (why != nullptr) *why = first;
  return remaining;
}

Result<std::vector<GenerationInfo>> MemoryStore::list_generations() {
  LS_RETURN_IF_ERROR(enter(StoreCall::kList, nullptr));
  const std::lock_guard lock(mutex_);
  return generations_;
}

Result<std::optional<Lease>> MemoryStore::read_lease() {
  LS_RETURN_IF_ERROR(enter(StoreCall::kLease, nullptr));
  const std::lock_guard lock(mutex_);
  if (!lease_is_supported_) return unsupported("this store has no lease");
  return lease_;
}

Result<Lease> MemoryStore::write_lease(const Lease& next, const std::string& expected_etag) {
  LS_RETURN_IF_ERROR(enter(StoreCall::kLease, nullptr));
  const std::lock_guard lock(mutex_);
  if (!lease_is_supported_) return unsupported("this store has no lease");
  if ((lease_ ? lease_->etag : std::string()) != expected_etag) {
    return position_mismatch("the lease has changed");
  }
  lease_ = next;
  lease_->etag = "e" + std::to_string(++lease_write_count_);
  if (lose_lease_reply_) {
    lose_lease_reply_ = false;
    return unavailable("reply lost");
  }
  return *lease_;
}

std::string MemoryStore::path_of(const LtxFileInfo& file) const {
  return "memory/" + std::to_string(file.level) + "/" +
         format_ltx_file_name({file.min_txid, file.max_txid});
}

}  // namespace litestream::test
