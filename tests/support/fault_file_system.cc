#include "tests/support/fault_file_system.h"

#include <filesystem>
#include <fstream>
#include <sstream>

namespace litestream::test {
namespace {

std::string read_whole(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

}  // namespace

class FaultReadableFile final : public ReadableFile {
 public:
  FaultReadableFile(FaultFileSystem& fs, std::unique_ptr<ReadableFile> real)
      : fs_(fs), real_(std::move(real)) {}
  Result<size_t> read_at(uint64_t offset_bytes, MutableBytes out) override {
    LS_RETURN_IF_ERROR(fs_.enter("read"));
    return real_->read_at(offset_bytes, out);
  }
  Result<uint64_t> size_bytes() override {
    LS_RETURN_IF_ERROR(fs_.enter("size"));
    return real_->size_bytes();
  }

 private:
  FaultFileSystem& fs_;
  std::unique_ptr<ReadableFile> real_;
};

class FaultWritableFile final : public WritableFile {
 public:
  FaultWritableFile(FaultFileSystem& fs, std::unique_ptr<WritableFile> real,
                    std::shared_ptr<FaultFileSystem::Node> node)
      : fs_(fs), real_(std::move(real)), node_(std::move(node)) {}

  Status append(Bytes bytes) override { return write(size_, bytes, "append"); }
  Status write_at(uint64_t offset_bytes, Bytes bytes) override {
    return write(offset_bytes, bytes, "write");
  }
  Status truncate(uint64_t size_bytes) override {
    LS_RETURN_IF_ERROR(fs_.enter("truncate"));
    const std::lock_guard lock(fs_.mutex_);
    LS_RETURN_IF_ERROR(real_->truncate(size_bytes));
    node_->content.resize(size_bytes, '\0');
    size_ = size_bytes;
    return {};
  }
  Status set_mtime_ms(int64_t wall_ms) override {
    LS_RETURN_IF_ERROR(fs_.enter("set time"));
    return real_->set_mtime_ms(wall_ms);
  }
  Status sync() override {
    LS_RETURN_IF_ERROR(fs_.enter("sync"));
    const std::lock_guard lock(fs_.mutex_);
    node_->synced = node_->content;
    return {};  // imitated power loss needs no real sync
  }
  Status close() override {
    LS_RETURN_IF_ERROR(fs_.enter("close"));
    return real_->close();
  }

 private:
  Status write(uint64_t offset_bytes, Bytes bytes, const char* what) {
    const Status fault = fs_.enter(what);
    const std::lock_guard lock(fs_.mutex_);
    if (!fault.ok()) bytes = bytes.first(bytes.size() / 2);
    LS_RETURN_IF_ERROR(real_->write_at(offset_bytes, bytes));
    const size_t end = offset_bytes + bytes.size();
    if (node_->content.size() < end) node_->content.resize(end, '\0');
    std::copy(bytes.begin(), bytes.end(),
              node_->content.begin() + static_cast<ptrdiff_t>(offset_bytes));
    size_ = std::max<uint64_t>(size_, end);
    return fault;
  }

  FaultFileSystem& fs_;
  std::unique_ptr<WritableFile> real_;
  std::shared_ptr<FaultFileSystem::Node> node_;
  uint64_t size_ = 0;
};

void FaultFileSystem::fail_call(uint64_t number, After after) {
  const std::lock_guard lock(mutex_);
  fail_at_ = calls_ + number;
  after_ = after;
  fired_ = false;
}

void FaultFileSystem::heal() {
  const std::lock_guard lock(mutex_);
  fail_at_ = 0;
}

bool FaultFileSystem::fired() const {
  const std::lock_guard lock(mutex_);
  return fired_;
}

uint64_t FaultFileSystem::call_count() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

Status FaultFileSystem::enter(const char* what) {
  const std::lock_guard lock(mutex_);
  ++calls_;
  const bool hit =
      fail_at_ != 0 && (calls_ == fail_at_ || (after_ == After::kDead && calls_ > fail_at_));
  if (!hit) return {};
  fired_ = true;
  return io_error(std::string(what) + ": injected failure of call " + std::to_string(calls_));
}

// Notes what `path` is before its first change, and that it is about to change.
void FaultFileSystem::touch(const std::string& path) {
  pending_[path_directory(path)].insert(path);
  if (durable_.contains(path)) return;
  NodePtr node;
  const auto stat = real_.stat(path);
  if (stat.ok()) {
    node = std::make_shared<Node>();
    node->is_directory = stat->is_directory;
    if (!node->is_directory) node->content = node->synced = read_whole(path);
  }
  durable_[path] = node;
  current_[path] = node;
}

Result<std::unique_ptr<ReadableFile>> FaultFileSystem::open_readable(const std::string& path) {
  LS_RETURN_IF_ERROR(enter("open"));
  LS_ASSIGN_OR_RETURN(auto real, real_.open_readable(path));
  std::unique_ptr<ReadableFile> file = std::make_unique<FaultReadableFile>(*this, std::move(real));
  return file;
}

Result<std::unique_ptr<WritableFile>> FaultFileSystem::create_new(const std::string& path) {
  LS_RETURN_IF_ERROR(enter("create"));
  const std::lock_guard lock(mutex_);
  touch(path);
  LS_ASSIGN_OR_RETURN(auto real, real_.create_new(path));
  auto node = std::make_shared<Node>();
  current_[path] = node;
  std::unique_ptr<WritableFile> file =
      std::make_unique<FaultWritableFile>(*this, std::move(real), node);
  return file;
}

Status FaultFileSystem::rename(const std::string& from, const std::string& to) {
  LS_RETURN_IF_ERROR(enter("rename"));
  const std::lock_guard lock(mutex_);
  touch(from);
  touch(to);
  LS_RETURN_IF_ERROR(real_.rename(from, to));
  current_[to] = current_[from];
  current_[from] = nullptr;
  return {};
}

Status FaultFileSystem::link_new(const std::string& from, const std::string& to) {
  LS_RETURN_IF_ERROR(enter("link"));
  const std::lock_guard lock(mutex_);
  touch(from);
  touch(to);
  LS_RETURN_IF_ERROR(real_.link_new(from, to));
  current_[to] = current_[from];
  return {};
}

Status FaultFileSystem::remove(const std::string& path) {
  LS_RETURN_IF_ERROR(enter("remove"));
  const std::lock_guard lock(mutex_);
  touch(path);
  LS_RETURN_IF_ERROR(real_.remove(path));
  current_[path] = nullptr;
  return {};
}

Status FaultFileSystem::remove_directory(const std::string& path) {
  LS_RETURN_IF_ERROR(enter("remove folder"));
  const std::lock_guard lock(mutex_);
  touch(path);
  LS_RETURN_IF_ERROR(real_.remove_directory(path));
  current_[path] = nullptr;
  return {};
}

Result<std::vector<DirectoryEntry>> FaultFileSystem::list_directory(const std::string& path) {
  LS_RETURN_IF_ERROR(enter("list"));
  return real_.list_directory(path);
}

Status FaultFileSystem::create_directories(const std::string& path) {
  LS_RETURN_IF_ERROR(enter("create folder"));
  const std::lock_guard lock(mutex_);
  std::vector<std::string> missing;
  for (std::string at = path; !real_.stat(at).ok(); at = path_directory(at)) {
    touch(at);
    missing.push_back(at);
    if (path_directory(at) == at) break;
  }
  LS_RETURN_IF_ERROR(real_.create_directories(path));
  for (const std::string& created : missing) {
    current_[created] = std::make_shared<Node>();
    current_[created]->is_directory = true;
  }
  return {};
}

Status FaultFileSystem::sync_directory(const std::string& path) {
  LS_RETURN_IF_ERROR(enter("sync folder"));
  const std::lock_guard lock(mutex_);
  LS_RETURN_IF_ERROR(real_.stat(path).status());
  for (const std::string& changed : pending_[path]) durable_[changed] = current_[changed];
  pending_.erase(path);
  return {};
}

Result<FileStat> FaultFileSystem::stat(const std::string& path) {
  LS_RETURN_IF_ERROR(enter("stat"));
  return real_.stat(path);
}

Result<std::unique_ptr<FileLock>> FaultFileSystem::lock_exclusive(const std::string& path) {
  LS_RETURN_IF_ERROR(enter("lock"));
  return real_.lock_exclusive(path);
}

Result<std::string> FaultFileSystem::canonical_path(const std::string& path) {
  LS_RETURN_IF_ERROR(enter("resolve"));
  return real_.canonical_path(path);
}

void FaultFileSystem::drop_entry(const std::string& path, const NodePtr& durable, Status* status) {
  std::error_code error;
  if (durable == nullptr) {
    std::filesystem::remove_all(path, error);
  } else if (durable->is_directory) {
    std::filesystem::create_directory(path, error);
  } else {
    // Unlinked first: another name may share the inode and have other durable bytes.
    std::filesystem::remove(path, error);
    if (!error) {
      std::ofstream out(path, std::ios::binary);
      out << durable->synced;
      if (!out.flush()) error = std::make_error_code(std::errc::io_error);
    }
  }
  if (error && status->ok()) *status = io_error("power loss: " + path + ": " + error.message());
}

Status FaultFileSystem::drop_unsynced(Prng* prng) {
  const std::lock_guard lock(mutex_);
  fail_at_ = 0;
  Status status;
  std::set<std::string> absent;  // folders that are gone, with all that was in them
  for (auto& [path, node] : durable_) {
    if (prng != nullptr && prng->chance(2)) node = current_[path];
    if (node != nullptr && prng != nullptr && prng->chance(2)) node->synced = node->content;
    bool parent_absent = false;
    for (std::string at = path_directory(path); !parent_absent; at = path_directory(at)) {
      parent_absent = absent.contains(at);
      if (at == path_directory(at)) break;
    }
    if (node == nullptr) absent.insert(path);
    if (!parent_absent) drop_entry(path, node, &status);
  }
  durable_.clear();
  current_.clear();
  pending_.clear();
  return status;
}

}  // namespace litestream::test
