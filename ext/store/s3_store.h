// A replica in a bucket of Amazon S3 or of a store that speaks its API.
//
// Layout (upstream's): `<prefix>/<level as %04x>/<min>-<max>.ltx`, with the time of the last commit
// in the object's metadata `litestream-timestamp`; v0.3 backups under `<prefix>/generations/`.
//
// Requests: an upload is one PUT, or a multipart upload above the part size; a level is listed page
// by page; a removal is one request; reads are ranged. Listings tell when an object was stored, not
// the time of its last commit: fill_times() asks for that.
//
// What a store honours: writes are create-only by If-None-Match, the lease goes by If-Match.
// check_writable() finds out whether that holds; where it does not, warning() says what is weaker.
// Multipart uploads that a killed process left behind are aborted by check_writable() a day later.
// Threading: thread-safe.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "ext/store/ltx_store.h"
#include "ext/store/s3_client.h"
#include "ext/store/s3_reader.h"
#include "ext/store/s3_writer.h"

namespace litestream {

class S3Store final : public LtxStore {
 public:
  // No I/O yet. `parts.fs` and what `parts.world` points to outlive the store.
  explicit S3Store(S3ClientParts parts);
  ~S3Store() override;

  const std::string& type() const override;
  const std::string& url() const override;
  Status check_writable() override;
  std::string warning() const override;
  Result<std::vector<LtxFileInfo>> list(int level) override;
  bool lists_commit_times() const override { return false; }
  Status fill_times(std::span<LtxFileInfo> files) override;
  Result<std::unique_ptr<RandomReader>> open(const LtxFileInfo& file) override;
  Result<std::unique_ptr<LtxWriter>> create(const LtxFileInfo& file) override;
  Result<std::vector<LtxFileInfo>> remove(std::span<const LtxFileInfo> files, Status* why) override;
  Result<std::vector<GenerationInfo>> list_generations() override;
  Result<std::vector<V3File>> list_v3(const std::string& generation) override;
  Result<std::unique_ptr<RandomReader>> open_v3(const V3File& file) override;
  Result<std::optional<Lease>> read_lease() override;
  Result<Lease> write_lease(const Lease& next, const std::string& expected_etag) override;
  std::string path_of(const LtxFileInfo& file) const override;
  void set_interrupted(bool interrupted) override;

  struct Probe {
    bool create_only = false;      // If-None-Match: * refuses a name that is taken
    bool conditional_put = false;  // If-Match refuses a write over something else, and only that
  };
  // Writes, rewrites and removes a small object to find out; at most once with success.
  Result<Probe> probe();

 private:
  std::string key_of(const LtxFileInfo& file) const;
  std::string below_root(std::string_view path) const;
  Status require_lease_support();
  Result<S3Answer> put_small(const std::string& key, std::string_view body, HttpHeaders headers);
  Status run_probe(const std::string& key, Probe* probe);
  void abort_old_uploads();
  void wait_for_lease_gap();
  Result<int64_t> read_time(const LtxFileInfo& file);
  void remember_time(const std::string& key, int64_t time_ms);
  std::optional<int64_t> remembered_time(const std::string& key) const;
  void forget_time(const std::string& key);
  struct Removal;
  void take_outcome(const S3DeleteResult::Failure& outcome, Removal* removal) const;
  void remove_in_one_request(Removal* removal);
  void remove_one_by_one(Removal* removal);

  S3Client client_;
  ReadBudget budget_;
  S3Conditions conditions_;
  mutable std::mutex mutex_;
  std::map<std::string, int64_t> times_;  // guarded by mutex_; key -> time of the last commit
  int64_t lease_written_ms_ = 0;          // guarded by mutex_; monotonic; 0: never
  std::atomic<bool> has_bulk_delete_{true};
};

}  // namespace litestream
