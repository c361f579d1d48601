// An LtxStore over a RemoteTree: `<root>/ltx/<level in decimal>/<name>`, the layout that upstream
// uses for sftp, webdav, gs and abs. All that these have in common is here: names, order, reading
// ahead, what a repeated upload means, the lease, v0.3 backups.
// Threading: thread-safe.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ext/store/ltx_store.h"
#include "ext/store/remote_tree.h"

namespace litestream {

class TreeStore final : public LtxStore {
 public:
  explicit TreeStore(std::unique_ptr<RemoteTree> tree);

  const std::string& type() const override { return tree_->type(); }
  const std::string& url() const override { return tree_->url(); }
  // Uploads a small file under a name of its own and removes it; clears away what crashed writers
  // left more than a day ago.
  Status check_writable() override;
  Result<std::vector<LtxFileInfo>> list(int level) override;
  bool lists_commit_times() const override { return tree_->lists_commit_times(); }
  // Asks the place, else reads the file's header.
  Status fill_times(std::span<LtxFileInfo> files) override;
  // Opens nothing yet: the first read does. Reads ahead while reads are sequential.
  Result<std::unique_ptr<RandomReader>> open(const LtxFileInfo& file) override;
  Result<std::unique_ptr<LtxWriter>> create(const LtxFileInfo& file) override;
  // One request per file; stops asking when the place no longer answers.
  Result<std::vector<LtxFileInfo>> remove(std::span<const LtxFileInfo> files, Status* why) override;
  Result<std::vector<GenerationInfo>> list_generations() override;
  Result<std::vector<V3File>> list_v3(const std::string& generation) override;
  Result<std::unique_ptr<RandomReader>> open_v3(const V3File& file) override;
  Result<std::optional<Lease>> read_lease() override;
  Result<Lease> write_lease(const Lease& next, const std::string& expected_etag) override;
  std::string path_of(const LtxFileInfo& file) const override;
  void set_interrupted(bool interrupted) override { tree_->set_interrupted(interrupted); }

 private:
  Status list_v3_folder(const std::string& generation, bool is_snapshot,
                        std::vector<V3File>* files);
  void remove_old_temporary_files();
  Result<int64_t> time_in_header(const std::string& path);

  const std::unique_ptr<RemoteTree> tree_;
};

}  // namespace litestream
