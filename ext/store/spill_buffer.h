// Bytes whose number is known only at the end, for protocols that want it at the beginning: kept in
// memory up to a limit, beyond it in a temporary file that has no name any more, so that nothing is
// left behind by a process that dies.
// Threading: one thread at a time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ext/base/bytes.h"
#include "ext/base/file_system.h"

namespace litestream {

class SpillBuffer final : public ByteSink, public RandomReader {
 public:
  // The file, if one is needed, goes to `directory`; `fs` must outlive the buffer.
  SpillBuffer(FileSystem& fs, std::string directory, size_t memory_bytes_max);
  ~SpillBuffer() override;

  // Io names the folder that has no room.
  Status append(Bytes bytes) override;
  Result<size_t> read_at(uint64_t offset_bytes, MutableBytes out) override;
  Result<uint64_t> size_bytes() override { return size_bytes_; }

 private:
  Status spill();

  FileSystem& fs_;
  const std::string directory_;
  const size_t memory_bytes_max_;
  uint64_t size_bytes_ = 0;
  std::vector<uint8_t> memory_;  // everything, until it spills; then empty
  std::unique_ptr<WritableFile> writer_;
  std::unique_ptr<ReadableFile> reader_;
};

}  // namespace litestream
