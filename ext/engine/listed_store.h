// A store whose listings come from a ListingCache, and whose writes and removals keep that cache
// current. What goes through it needs no LIST; what wants to know what is really there (verify)
// asks origin().
// Threading: thread-safe, as the store below. Errors: those of the store below.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ext/engine/listing_cache.h"
#include "ext/store/ltx_store.h"

namespace litestream {

class ListedStore final : public LtxStore {
 public:
  // `clock` must outlive the store.
  ListedStore(std::unique_ptr<LtxStore> origin, const Clock& clock)
      : owned_(std::move(origin)), origin_(*owned_), cache_(clock) {}
  // `origin` must outlive the store too.
  ListedStore(LtxStore& origin, const Clock& clock) : origin_(origin), cache_(clock) {}

  LtxStore& origin() { return origin_; }
  ListingCache& cache() { return cache_; }
  const ListingCache& cache() const { return cache_; }

  const std::string& type() const override { return origin_.type(); }
  const std::string& url() const override { return origin_.url(); }
  Status check_writable() override { return origin_.check_writable(); }
  Result<std::unique_ptr<FileLock>> lock_for_writing() override {
    return origin_.lock_for_writing();
  }
  Result<std::vector<LtxFileInfo>> list(int level) override { return cache_.files(origin_, level); }
  // As of the store below: files of our own keep their times, those that were listed do not know.
  bool lists_commit_times() const override { return origin_.lists_commit_times(); }
  Status fill_times(std::span<LtxFileInfo> files) override { return origin_.fill_times(files); }
  // NotFound from a read puts the file's level in doubt.
  Result<std::unique_ptr<RandomReader>> open(const LtxFileInfo& file) override;
  Result<std::unique_ptr<LtxWriter>> create(const LtxFileInfo& file) override;
  Result<std::vector<LtxFileInfo>> remove(std::span<const LtxFileInfo> files, Status* why) override;
  Result<std::vector<GenerationInfo>> list_generations() override {
    return origin_.list_generations();
  }
  Result<std::vector<V3File>> list_v3(const std::string& generation) override {
    return origin_.list_v3(generation);
  }
  Result<std::unique_ptr<RandomReader>> open_v3(const V3File& file) override {
    return origin_.open_v3(file);
  }
  Result<std::optional<Lease>> read_lease() override { return origin_.read_lease(); }
  Result<Lease> write_lease(const Lease& next, const std::string& expected_etag) override {
    return origin_.write_lease(next, expected_etag);
  }
  std::string path_of(const LtxFileInfo& file) const override { return origin_.path_of(file); }
  std::string warning() const override { return origin_.warning(); }
  void set_interrupted(bool interrupted) override { origin_.set_interrupted(interrupted); }

 private:
  const std::unique_ptr<LtxStore> owned_;  // or null
  LtxStore& origin_;
  ListingCache cache_;
};

}  // namespace litestream
