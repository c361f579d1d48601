// A FileSystem over a real one that fails chosen calls and imitates power loss.
//
// It remembers, for everything changed through it, which bytes were synced and which folder
// entries were synced. drop_unsynced() then makes the folder on disk look as it may after the
// machine lost power: a file whose folder was never synced is gone, a file that was never synced
// has no bytes. What existed before its first change through this object counts as durable.
// Threading: thread-safe.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "ext/base/file_system.h"
#include "tests/support/prng.h"

namespace litestream::test {

class FaultFileSystem final : public FileSystem {
 public:
  enum class After {
    kRecovers,  // only the one call fails
    kDead,      // this call and all later ones fail: the process was killed there
  };
  // `real` must outlive the object.
  explicit FaultFileSystem(FileSystem& real) : real_(real) {}

  // The `number`-th call from now on (1 = the next) fails with Io; a write is cut in half.
  void fail_call(uint64_t number, After after);
  void heal();         // no call fails any more
  bool fired() const;  // whether the chosen call was reached
  uint64_t call_count() const;
  // Power loss. With `prng`, each unsynced change survives with a probability of one half.
  // Files still open must not be used afterwards.
  Status drop_unsynced(Prng* prng = nullptr);

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
  Result<bool> is_locked(const std::string& path) override { return real_.is_locked(path); }
  Result<std::string> canonical_path(const std::string& path) override;

 private:
  struct Node {
    bool is_directory = false;
    std::string content;  // as written
    std::string synced;   // as it would be after power loss
  };
  using NodePtr = std::shared_ptr<Node>;
  friend class FaultReadableFile;
  friend class FaultWritableFile;

  Status enter(const char* what);  // counts a call; Io if it is the chosen one
  void touch(const std::string& path);
  void drop_entry(const std::string& path, const NodePtr& durable, Status* status);

  FileSystem& real_;
  mutable std::mutex mutex_;
  uint64_t calls_ = 0;
  uint64_t fail_at_ = 0;
  After after_ = After::kRecovers;
  bool fired_ = false;
  std::map<std::string, NodePtr> current_;  // paths changed through this object; null: absent
  std::map<std::string, NodePtr> durable_;  // the same paths, as power loss would leave them
  // Paths changed since their folder was synced, by folder.
  std::map<std::string, std::set<std::string>> pending_;
};

}  // namespace litestream::test
