// Ranged reads of one object, made for reading on and on in small steps.
//
// Reads come from blocks of at least 128 KiB; where one block follows the other they grow up to
// 4 MiB, as long as all readers of a store together stay within a budget. A connection that drops
// costs only what had not arrived: the same range goes on from there. Every request after the first
// names the ETag of the first, so that two objects that had one name are never mixed.
// Threading: one thread at a time.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "ext/base/bytes.h"
#include "ext/store/s3_client.h"

namespace litestream {

// What the blocks of all readers may grow by. Thread-safe.
class ReadBudget {
 public:
  explicit ReadBudget(size_t bytes) : left_bytes_(bytes) {}
  bool take(size_t bytes);
  void give_back(size_t bytes) { left_bytes_.fetch_add(bytes); }

 private:
  std::atomic<size_t> left_bytes_;
};

class S3Reader final : public RandomReader {
 public:
  // The references outlive the reader. `listed_bytes`: the size a listing told, 0 if unknown; an
  // object that was listed but is not found yet is asked for again for a few seconds.
  S3Reader(S3Client& client, ReadBudget& budget, std::string key, uint64_t listed_bytes);
  ~S3Reader() override;

  // NotFound: no such object, or another has taken its name. Else errors of S3Client.
  Result<size_t> read_at(uint64_t offset_bytes, MutableBytes out) override;
  Result<uint64_t> size_bytes() override;

 private:
  struct Block {
    uint64_t begin = 0;
    std::vector<uint8_t> bytes;
    uint64_t end() const { return begin + bytes.size(); }
  };
  class RangeSink;

  const Block* find_block(uint64_t offset) const;
  Status load_block(uint64_t offset);
  void grow();
  Status fetch(uint64_t offset, MutableBytes out, size_t* got);
  Status fetch_once(uint64_t offset, MutableBytes out, size_t* got);
  HttpHeaders range_headers(const RangeSink& sink) const;
  Status check_head(const HttpResponse& head, RangeSink* sink);
  Status settle_refusal(const S3Call& call, const S3Answer& answer, uint64_t offset);
  Status replaced() const;

  S3Client& client_;
  ReadBudget& budget_;
  const std::string key_;
  const uint64_t listed_bytes_;
  bool size_is_known_ = false;
  uint64_t size_bytes_ = 0;
  std::string etag_;
  size_t block_bytes_;
  size_t borrowed_bytes_ = 0;
  Block blocks_[2];  // the newer first
};

// "bytes 0-99/1234" -> first byte, last byte, size; false if it is malformed.
bool parse_content_range(std::string_view value, uint64_t* first, uint64_t* last, uint64_t* size);

}  // namespace litestream
