#include "ext/ltx/page_order.h"

#include <string>

#include "ext/base/limits.h"

namespace litestream {

PageOrder::PageOrder(const LtxHeader& header)
    : commit_(header.commit),
      lock_page_(lock_page(header.page_size)),
      is_snapshot_(header.is_snapshot()) {}

Status PageOrder::accept(Pgno pgno) {
  const bool allowed = pgno > last_ && pgno <= commit_ && pgno != lock_page_ &&
                       (!is_snapshot_ || pgno == next_stored_page(last_, lock_page_));
  if (!allowed) return refuse(pgno);
  last_ = pgno;
  return {};
}

Status PageOrder::refuse(Pgno pgno) const {
  const std::string page = "page " + std::to_string(pgno);
  if (pgno == 0) return corrupt("page number 0");
  if (pgno == lock_page_) return corrupt(page + " is the lock page");
  if (pgno > commit_) {
    return corrupt(page + " is beyond the database size of " + std::to_string(commit_) + " pages");
  }
  if (pgno <= last_) return corrupt(page + " follows page " + std::to_string(last_));
  return corrupt("page " + std::to_string(next_stored_page(last_, lock_page_)) +
                 " is missing from the snapshot");
}

Status PageOrder::finish() const {
  if (!is_snapshot_) return {};
  const Pgno next = next_stored_page(last_, lock_page_);
  if (next > commit_) return {};
  return corrupt("page " + std::to_string(next) + " is missing from the snapshot");
}

}  // namespace litestream
