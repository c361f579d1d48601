// Ranged reads of one file of a RemoteTree, made for reading on and on in small steps: reads come
// from one block, which grows while the next one asked for follows it.
// Threading: one thread at a time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ext/store/remote_tree.h"

namespace litestream {

class ReadAhead final : public RandomReader {
 public:
  // `tree` must outlive it. Nothing is read yet.
  ReadAhead(RemoteTree& tree, std::string path) : tree_(tree), path_(std::move(path)) {}

  Result<size_t> read_at(uint64_t offset_bytes, MutableBytes out) override;
  Result<uint64_t> size_bytes() override;

 private:
  Status load(uint64_t offset_bytes);

  RemoteTree& tree_;
  const std::string path_;
  std::string version_;
  bool size_is_known_ = false;
  uint64_t size_bytes_ = 0;
  uint64_t block_begin_ = 0;
  std::vector<uint8_t> block_;
  size_t block_bytes_ = 0;  // the size of the last one asked for
};

}  // namespace litestream
