#include "ext/engine/page_chooser.h"

#include <algorithm>
#include <string>

#include "ext/base/limits.h"
#include "ext/ltx/page_codec.h"

namespace litestream {
namespace {

// A page costs at least a page header with size, one byte of LZ4 and three of index.
constexpr uint64_t kStoredPageBytesMin = kSizedPageHeaderBytes + 4;

}  // namespace

uint64_t pages_stored_max(uint64_t size_bytes) { return size_bytes / kStoredPageBytesMin + 1; }

Status PageChooser::check_header(const LtxHeader& header, const LtxFileInfo& info) const {
  if (header.min_txid != info.min_txid || header.max_txid != info.max_txid) {
    return corrupt("the header says " + format_txid(header.min_txid) + ".." +
                   format_txid(header.max_txid) + ", unlike the file name");
  }
  if (last_ && header.page_size != last_->page_size) {
    return corrupt("page size " + std::to_string(header.page_size) + " where later files have " +
                   std::to_string(last_->page_size));
  }
  return {};
}

// `header` is of the file before newer_.
Status PageChooser::check_continuation(const LtxHeader& header) const {
  const bool adjacent = newer_ && newer_->min_txid == header.max_txid.next();
  if (!adjacent || !newer_->chain.known || !header.chain.known) return {};
  if (newer_->chain.before == header.chain.after) return {};
  return position_mismatch("the file after " + format_txid(header.max_txid) +
                           " was made for another database state");
}

Status PageChooser::begin(const LtxHeader& last) {
  if (last.commit > page_count_max_) {
    return corrupt("the header says " + std::to_string(last.commit) +
                   " pages, more than all files of the plan can hold");
  }
  last_ = last;
  shape_ = {last.page_size, last.commit};
  limit_ = last.commit;
  remaining_ = last.commit - (last.commit >= lock_page(last.page_size) ? 1 : 0);
  taken_.assign(last.commit / 64 + 1, 0);
  return {};
}

Status PageChooser::add(const LtxContents& contents, const LtxFileInfo& info,
                        std::vector<bool>* wins) {
  LS_RETURN_IF_ERROR(check_header(contents.header, info));
  if (!last_) LS_RETURN_IF_ERROR(begin(contents.header));
  LS_RETURN_IF_ERROR(check_continuation(contents.header));
  newer_ = contents.header;
  limit_ = std::min(limit_, contents.header.commit);
  wins->assign(contents.index.count(), false);
  PageIndex::Cursor cursor(contents.index);
  while (cursor.next()) {
    const Pgno pgno = cursor.entry().pgno;
    if (pgno > limit_) break;
    if (is_taken(pgno)) continue;
    taken_[pgno / 64] |= uint64_t{1} << (pgno % 64);
    --remaining_;
    (*wins)[cursor.ordinal()] = true;
  }
  return {};
}

Pgno PageChooser::first_missing(Pgno known) const {
  for (uint64_t pgno = uint64_t{known} + 1; pgno <= shape_.page_count; ++pgno) {
    const Pgno at = static_cast<Pgno>(pgno);
    if (!is_taken(at) && at != lock_page(shape_.page_size)) return at;
  }
  return 0;
}

}  // namespace litestream
