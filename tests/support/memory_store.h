// An LtxStore in memory, with switches for what real stores do to us: fail, be late, lose replies,
// list late.
// Threading: thread-safe; set the switches before other threads use the store.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "ext/store/ltx_store.h"

namespace litestream::test {

enum class StoreCall { kList, kOpen, kRead, kCreate, kAppend, kCommit, kRemove, kLease };

class MemoryStore final : public LtxStore {
 public:
  MemoryStore();

  // Called at the start of every call; an error makes the call fail with it. May sleep (delays).
  using Hook = std::function<Status(StoreCall call, const LtxFileInfo* file)>;
  void set_hook(Hook hook);
  // The `number`-th call from now (1 = the next) fails with `status` and does nothing.
  void fail_call(uint64_t number, Status status);
  // The next commit takes effect but its caller sees Unavailable.
  void lose_next_commit_reply();
  // Files committed from now on are missing from the next `count` listings of their level.
  void set_listing_lag(int count);
  uint64_t call_count() const;
  uint64_t call_count(StoreCall call) const;

  // Direct access for tests; no faults apply.
  void put(const LtxFileInfo& file, std::string bytes);
  std::string bytes(const LtxFileInfo& file) const;
  void set_bytes(const LtxFileInfo& file, std::string bytes);
  void erase(const LtxFileInfo& file);
  std::vector<LtxFileInfo> files() const;  // of all levels
  void set_generations(std::vector<GenerationInfo> generations);
  void set_lease_supported(bool supported);  // default: true
  // The next write of the lease takes effect but its caller sees Unavailable.
  void lose_next_lease_reply();

  const std::string& type() const override { return type_; }
  const std::string& url() const override { return url_; }
  Result<std::vector<LtxFileInfo>> list(int level) override;
  Result<std::unique_ptr<RandomReader>> open(const LtxFileInfo& file) override;
  Result<std::unique_ptr<LtxWriter>> create(const LtxFileInfo& file) override;
  Result<std::vector<LtxFileInfo>> remove(std::span<const LtxFileInfo> files, Status* why) override;
  Result<std::vector<GenerationInfo>> list_generations() override;
  Result<std::optional<Lease>> read_lease() override;
  Result<Lease> write_lease(const Lease& next, const std::string& expected_etag) override;
  std::string path_of(const LtxFileInfo& file) const override;

 private:
  using Key = std::tuple<int, uint64_t, uint64_t>;  // level, min_txid, max_txid
  struct Object {
    LtxFileInfo info;
    std::string bytes;
    int hidden_listings = 0;
  };
  friend class MemoryReader;
  friend class MemoryWriter;

  static Key key_of(const LtxFileInfo& file);
  Status enter(StoreCall call, const LtxFileInfo* file);
  Status publish(const LtxFileInfo& file, std::string bytes);

  const std::string type_ = "memory";
  const std::string url_ = "memory://test";
  mutable std::mutex mutex_;
  Hook hook_;
  std::map<StoreCall, uint64_t> calls_;
  uint64_t call_total_ = 0;
  uint64_t fail_at_ = 0;
  Status fail_with_;
  bool lose_commit_reply_ = false;
  int listing_lag_ = 0;
  std::map<Key, Object> objects_;
  std::vector<GenerationInfo> generations_;
  std::optional<Lease> lease_;
  uint64_t lease_write_count_ = 0;
  bool lease_is_supported_ = true, lose_lease_reply_ = false;
};

}  // namespace litestream::test
