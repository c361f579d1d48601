// A made-up database through many transactions, with what it looked like after each, and its LTX
// files: one per transaction, and any range of them merged the plain way (by comparing nothing:
// every page touched in the range, as it is at its end).
// Threading: thread-compatible.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "tests/support/ltx_literals.h"
#include "tests/support/memory_store.h"
#include "tests/support/prng.h"

namespace litestream::test {

class ReplicaHistory {
 public:
  static constexpr int64_t kFirstTimeMs = 1767413106789;

  explicit ReplicaHistory(uint32_t page_size, bool with_chain = true)
      : page_size_(page_size), with_chain_(with_chain), images_(1), touched_(1) {}

  // The next transaction: the database gets `commit` pages; `pages` and every new page change.
  void commit(Pgno commit, std::set<Pgno> pages) {
    const uint64_t txid = images_.size();
    ByteVector image = images_.back();
    const Pgno before = static_cast<Pgno>(image.size() / page_size_);
    image.resize(size_t{commit} * page_size_);
    for (Pgno pgno = before + 1; pgno <= commit; ++pgno) pages.insert(pgno);
    pages.erase(lock_page(page_size_));
    std::erase_if(pages, [&](Pgno pgno) { return pgno > commit; });
    for (const Pgno pgno : pages) {
      const ByteVector page = make_page(page_size_, pgno, static_cast<uint32_t>(txid));
      std::copy(page.begin(), page.end(),
                image.begin() + static_cast<ptrdiff_t>(size_t{pgno - 1} * page_size_));
    }
    images_.push_back(std::move(image));
    touched_.push_back(std::move(pages));
  }
  // Changes a few pages; now and then grows or shrinks.
  void commit_random(Prng& prng) {
    Pgno size = std::max<Pgno>(1, static_cast<Pgno>(images_.back().size() / page_size_));
    if (prng.chance(3)) size += static_cast<Pgno>(prng.between(1, 9));
    if (prng.chance(6)) size = static_cast<Pgno>(prng.between(1, size));
    std::set<Pgno> pages;
    const uint64_t count = prng.between(1, 6);
    for (uint64_t i = 0; i < count; ++i) pages.insert(static_cast<Pgno>(prng.between(1, size)));
    commit(size, std::move(pages));
  }

  uint64_t newest() const { return images_.size() - 1; }
  const ByteVector& image(uint64_t txid) const { return images_.at(txid); }
  static int64_t time_ms(uint64_t txid) { return kFirstTimeMs + static_cast<int64_t>(txid) * 1000; }

  LtxLiteral literal(uint64_t min_txid, uint64_t max_txid) const {
    const ByteVector& image = images_.at(max_txid);
    LtxLiteral literal;
    literal.header.page_size = page_size_;
    literal.header.commit = static_cast<Pgno>(image.size() / page_size_);
    literal.header.min_txid = Txid{min_txid};
    literal.header.max_txid = Txid{max_txid};
    literal.header.timestamp = time_ms(max_txid);
    std::set<Pgno> pages;
    for (uint64_t txid = min_txid; txid <= max_txid; ++txid) pages.merge(std::set(touched_[txid]));
    for (const Pgno pgno : pages) {
      if (pgno > literal.header.commit) continue;
      const auto* begin = image.data() + size_t{pgno - 1} * page_size_;
      literal.pages.emplace_back(pgno, ByteVector(begin, begin + page_size_));
    }
    if (with_chain_) {
      const ByteVector& before = images_.at(min_txid - 1);
      literal.header.chain = {true, before.empty() ? 0 : database_checksum(before, page_size_),
                              database_checksum(image, page_size_)};
    }
    return literal;
  }
  std::string file(uint64_t min_txid, uint64_t max_txid) const {
    const ByteVector bytes = write_ltx(literal(min_txid, max_txid));
    return {bytes.begin(), bytes.end()};
  }
  static LtxFileInfo info(int level, uint64_t min_txid, uint64_t max_txid) {
    return {level, Txid{min_txid}, Txid{max_txid}, 0, time_ms(max_txid)};
  }
  void put(MemoryStore& store, int level, uint64_t min_txid, uint64_t max_txid) const {
    store.put(info(level, min_txid, max_txid), file(min_txid, max_txid));
  }

 private:
  const uint32_t page_size_;
  const bool with_chain_;
  std::vector<ByteVector> images_;       // [txid]; [0] is the empty database
  std::vector<std::set<Pgno>> touched_;  // [txid]
};

}  // namespace litestream::test
