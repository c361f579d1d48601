// What a process of the simulation sees of its machine: files, a store far away, worker threads.
// Threading: one thread.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "ext/engine/job_pool.h"
#include "tests/sim/sim_database.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/memory_store.h"

namespace litestream::test {

// Jobs wait here until the simulation runs them, in any order.
class SimJobs final : public JobRunner {
 public:
  std::function<bool()> refuse;                           // asked at submit
  std::function<void(std::function<void()>)> run_inline;  // set: jobs run at submit
  bool submit(std::function<void()> job) noexcept override;
  bool empty() const { return jobs_.empty(); }
  size_t count() const { return jobs_.size(); }
  std::function<void()> take(size_t index);

 private:
  std::deque<std::function<void()>> jobs_;
};

// The file system under the local folder. The database file is the model's; temporary names do not
// depend on the process, so that a seed always does the same; the disk may be full.
class SimFileSystem final : public FileSystem {
 public:
  SimFileSystem(FileSystem& below, std::string database_path, const SimDatabase& database)
      : below_(below), database_path_(std::move(database_path)), database_(database) {}
  void set_full(bool full) { full_ = full; }
  bool full() const { return full_; }

  Result<std::unique_ptr<ReadableFile>> open_readable(const std::string& path) override;
  Result<std::unique_ptr<WritableFile>> create_new(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status link_new(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status remove_directory(const std::string& path) override;
  Result<std::vector<DirectoryEntry>> list_directory(const std::string& path) override;
  Status create_directories(const std::string& path) override;
  Status sync_directory(const std::string& path) override;
  Result<FileStat> stat(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> lock_exclusive(const std::string& path) override;
  Result<bool> is_locked(const std::string& path) override { return below_.is_locked(path); }
  Result<std::string> canonical_path(const std::string& path) override;

 private:
  std::string stable(const std::string& path);

  FileSystem& below_;
  const std::string database_path_;
  const SimDatabase& database_;
  bool full_ = false;
  std::map<std::string, std::string> stable_names_;
};

// One process's way to the store that outlives it.
class SimStore : public LtxStore {
 public:
  explicit SimStore(MemoryStore& shared) : shared_(shared) {}
  const std::string& type() const override { return shared_.type(); }
  const std::string& url() const override { return shared_.url(); }
  Result<std::vector<LtxFileInfo>> list(int level) override { return shared_.list(level); }
  Result<std::unique_ptr<RandomReader>> open(const LtxFileInfo& file) override {
    return shared_.open(file);
  }
  Result<std::unique_ptr<LtxWriter>> create(const LtxFileInfo& file) override {
    return shared_.create(file);
  }
  Result<std::vector<LtxFileInfo>> remove(std::span<const LtxFileInfo> files,
                                          Status* why) override {
    return shared_.remove(files, why);
  }
  Result<std::vector<GenerationInfo>> list_generations() override {
    return shared_.list_generations();
  }
  Result<std::optional<Lease>> read_lease() override { return shared_.read_lease(); }
  Result<Lease> write_lease(const Lease& next, const std::string& expected_etag) override {
    return shared_.write_lease(next, expected_etag);
  }
  std::string path_of(const LtxFileInfo& file) const override { return shared_.path_of(file); }

 private:
  MemoryStore& shared_;
};

}  // namespace litestream::test
