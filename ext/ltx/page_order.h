// The rules about which pages one LTX file may hold, in one place for writer and readers:
// ascending, not above commit, never the lock page, and in a snapshot every page from 1 to commit.
// Threading: thread-compatible.
#pragma once

#include <cstdint>

#include "ext/base/status.h"
#include "ext/ltx/header.h"

namespace litestream {

class PageOrder {
 public:
  PageOrder() = default;  // accepts no page
  explicit PageOrder(const LtxHeader& header);

  // Corrupt, naming the page, if `pgno` may not come next.
  Status accept(Pgno pgno);
  // Corrupt, naming the first missing page, if a snapshot is incomplete.
  Status finish() const;

 private:
  Status refuse(Pgno pgno) const;
  Pgno commit_ = 0;
  Pgno lock_page_ = 0;
  bool is_snapshot_ = false;
  Pgno last_ = 0;
};

// The page after `pgno` that a file may hold.
constexpr Pgno next_stored_page(Pgno pgno, Pgno lock_page) {
  return pgno + 1 == lock_page ? pgno + 2 : pgno + 1;
}

}  // namespace litestream
