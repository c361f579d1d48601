// One 8-byte checksum per page of the database as it is at one TXID, and their XOR, the database
// checksum of the chain (ext/ltx/FORMAT.md). After an interruption they tell which pages differ, so
// that a difference is uploaded instead of a snapshot.
//
// Memory: 8 bytes per page. Threading: thread-compatible.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ext/base/file_system.h"
#include "ext/ltx/types.h"

namespace litestream {

class PageSums {
 public:
  // Of no page at all.
  explicit PageSums(uint32_t page_size_bytes = 0) : page_size_bytes_(page_size_bytes) {}

  uint32_t page_size_bytes() const { return page_size_bytes_; }
  uint32_t page_count() const { return static_cast<uint32_t>(sums_.size()); }
  Txid txid() const { return txid_; }
  void set_txid(Txid txid) { txid_ = txid; }
  // 0 for a page beyond the end and for the lock page.
  Checksum sum_of(Pgno pgno) const;
  // Grows with zeros or drops pages at the end.
  void resize(uint32_t page_count);
  // Sets one page's checksum; grows when needed. The lock page is ignored.
  void set(Pgno pgno, Checksum sum);
  // XOR of all with bit 63 set; 0 for an empty database.
  Checksum database_checksum() const;
  // The same after pages above `page_count` are dropped; what set() would change is the caller's.
  bool operator==(const PageSums&) const = default;

  // The `pages` file: magic, page size, page count, TXID, checksums, CRC-64 of all before.
  Status save(FileSystem& fs, const std::string& path) const;
  // NotFound, or Corrupt for anything that is not a whole file of ours.
  static Result<PageSums> load(FileSystem& fs, const std::string& path);

 private:
  uint32_t page_size_bytes_;
  Txid txid_;
  std::vector<Checksum> sums_;
  Checksum xor_ = 0;
};

}  // namespace litestream
