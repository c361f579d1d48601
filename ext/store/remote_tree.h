// A place on a network that keeps files by path: what sftp, webdav, gs and abs have in common, and
// all that tree_store.h needs of them.
//
// Paths are relative to the root of the replica, parts joined by '/', no "." or "..".
// Threading: implementations are thread-safe; every call may block on the network, tries again what
// is worth it, and ends: by its limits, by CallLimits, by interruption.
// Errors: NotFound (no such file), AlreadyExists, Unavailable/Busy (tried again without success),
// Io (refused: permissions, credentials), Corrupt (an answer that makes no sense), Cancelled.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ext/base/bytes.h"
#include "ext/base/file_system.h"
#include "ext/base/status.h"
#include "ext/store/http_message.h"
#include "ext/store/retry.h"
#include "ext/store/store_spec.h"

namespace litestream {

// What a tree is opened with besides its own options.
struct RemoteParts {
  FileSystem* fs = nullptr;  // outlives the tree, as does what `world` points to
  RetryWorld world;
  StoreEnvironment environment;
  RetryPolicy policy;
  HttpLimits limits;
};

struct RemoteEntry {
  std::string name;  // in its folder
  bool is_folder = false;
  uint64_t size_bytes = 0;
  int64_t modified_ms = 0;           // when it was stored
  std::optional<int64_t> commit_ms;  // what the writer said, where a listing tells that
};

// One file on its way. Destroyed without finish(): nothing becomes visible under its name.
// append() may find out early that the name is taken: AlreadyExists.
class RemoteUpload : public ByteSink {
 public:
  // Makes the file visible, whole and durable as far as the protocol can say. AlreadyExists: the
  // name is taken, by whatever content.
  virtual Status finish() = 0;
};

// Where a ranged read ended up.
struct RemoteRange {
  size_t byte_count = 0;         // fewer than asked for only at the end of the file
  uint64_t file_size_bytes = 0;  // of the whole file
};

struct RemoteSmallFile {
  std::string bytes;
  std::string version;  // what put_small() compares; opaque
};

class RemoteTree {
 public:
  virtual ~RemoteTree() = default;
  virtual const std::string& type() const = 0;
  virtual const std::string& url() const = 0;  // canonical, without secrets

  // Complete, or an error; in no order. A folder that does not exist is empty.
  virtual Result<std::vector<RemoteEntry>> list(const std::string& folder) = 0;
  // Whether list() tells RemoteEntry::commit_ms.
  virtual bool lists_commit_times() const { return false; }
  // The time of the commit that an upload was told; nullopt if the place does not keep it.
  virtual Result<std::optional<int64_t>> commit_time_ms(const std::string& /*path*/) {
    return std::optional<int64_t>();
  }
  // Fills `out` from `offset_bytes` on. `*version` is empty at the first read of a file and then
  // tells this read what the first one saw: Corrupt if the file was replaced since.
  virtual Result<RemoteRange> read(const std::string& path, uint64_t offset_bytes, MutableBytes out,
                                   std::string* version) = 0;
  virtual Result<std::unique_ptr<RemoteUpload>> start_upload(const std::string& path,
                                                             int64_t commit_ms) = 0;
  virtual Status remove(const std::string& path) = 0;
  // Whether files have names of temporary_name.h while they are written, which a process that dies
  // leaves behind.
  virtual bool leaves_temporary_files() const { return false; }

  // Small files that change, for the lease. Unsupported where the place cannot compare and write in
  // one step.
  virtual Result<RemoteSmallFile> get_small(const std::string& /*path*/) {
    return unsupported("a replica of type " + type() + " has no lease");
  }
  // Writes if the file still has `expected_version`, or does not exist when that is empty; returns
  // the new version. PositionMismatch: it is another.
  virtual Result<std::string> put_small(const std::string& /*path*/, const std::string& /*bytes*/,
                                        const std::string& /*expected_version*/) {
    return unsupported("a replica of type " + type() + " has no lease");
  }
  // Ends calls under way with Cancelled, or lets calls through again.
  virtual void set_interrupted(bool interrupted) = 0;
};

}  // namespace litestream
