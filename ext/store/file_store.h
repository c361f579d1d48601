// A replica in a folder: `<root>/ltx/<level>/<min>-<max>.ltx`, the layout upstream uses, so that
// either program can take over. The modification time of a file is the time of its last commit.
//
// Durability: a committed file, its name and the folders above it survive power loss.
// Fencing: a name is taken once (link, never rename over); there is no lease.
// Threading: thread-safe.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "ext/base/file_system.h"
#include "ext/store/ltx_store.h"

namespace litestream {

class FileStore final : public LtxStore {
 public:
  // `fs` must outlive the store. `root` is a path, not a URL; nothing is read or written yet.
  FileStore(FileSystem& fs, std::string root);

  // Creates the root if needed, writes a temporary file there and removes it; clears away
  // temporary files that crashed writers left more than a day ago. The error says which folder
  // cannot be written and why.
  Status check_writable();
  const std::string& root() const { return root_; }
  // An OFD lock on `.writer.lock` in the root: names of L0 files are ranges, so two writers at once
  // would not meet in one name.
  Result<std::unique_ptr<FileLock>> lock_for_writing() override;

  const std::string& type() const override;
  const std::string& url() const override { return url_; }  // file:// and the percent-encoded root
  Result<std::vector<LtxFileInfo>> list(int level) override;
  Result<std::vector<LtxFileInfo>> list_names(int level) override;
  // Opens nothing yet: the first read does, so many readers cost no descriptors.
  Result<std::unique_ptr<RandomReader>> open(const LtxFileInfo& file) override;
  Result<std::unique_ptr<LtxWriter>> create(const LtxFileInfo& file) override;
  Result<std::vector<LtxFileInfo>> remove(std::span<const LtxFileInfo> files, Status* why) override;
  Result<std::vector<GenerationInfo>> list_generations() override;
  Result<std::vector<V3File>> list_v3(const std::string& generation) override;
  Result<std::unique_ptr<RandomReader>> open_v3(const V3File& file) override;
  std::string path_of(const LtxFileInfo& file) const override;

 private:
  std::string level_directory(int level) const;
  Result<std::vector<LtxFileInfo>> list_with(int level, FileDetails details);
  Status create_level_directory(int level);
  Status list_v3_folder(const std::string& generation, bool is_snapshot,
                        std::vector<V3File>* files);
  void remove_old_temporary_files(int64_t now_ns);

  FileSystem& fs_;
  const std::string root_;
  const std::string url_;
  std::atomic<uint32_t> synced_levels_{0};  // bit n: the folder of level n is durable
};

}  // namespace litestream
