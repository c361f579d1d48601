#include "ext/ltx/merge_plan.h"

#include <algorithm>
#include <queue>
#include <string>
#include <utility>

#include "ext/base/limits.h"
#include "ext/ltx/page_order.h"

namespace litestream {

namespace {

std::string name_range(const LtxHeader& header) {
  return format_txid(header.min_txid) + ".." + format_txid(header.max_txid);
}

Status check_continues(const LtxHeader& before, const LtxHeader& next) {
  const std::string ranges = name_range(next) + " after " + name_range(before);
  if (next.page_size != before.page_size) {
    return corrupt("page size changes from " + std::to_string(before.page_size) + " to " +
                   std::to_string(next.page_size) + " in " + ranges);
  }
  if (next.min_txid.value - 1 > before.max_txid.value) {
    return position_mismatch("gap between files: " + ranges);
  }
  if (next.max_txid <= before.max_txid) return position_mismatch("nothing new: " + ranges);
  const bool adjacent = next.min_txid.value - 1 == before.max_txid.value;
  if (adjacent && before.chain.known && next.chain.known &&
      before.chain.after != next.chain.before) {
    return position_mismatch("chain checksums differ: " + ranges);
  }
  return {};
}

// Files with checksums of their own (flags 0) chain up too.
Status check_apply_checksums(const LtxContents& before, const LtxContents& next) {
  const bool adjacent = next.header.min_txid.value - 1 == before.header.max_txid.value;
  const Checksum have = before.trailer.post_apply_checksum;
  const Checksum wanted = next.header.pre_apply_checksum;
  if (!adjacent || have == 0 || wanted == 0 || have == wanted) return {};
  return position_mismatch("pre_apply_checksum differs: " + name_range(next.header) + " after " +
                           name_range(before.header));
}

ChainChecksum merge_chains(const LtxHeader& first, const LtxHeader& last) {
  if (!last.chain.known) return {};
  if (first.is_snapshot()) return {true, 0, last.chain.after};
  if (!first.chain.known) return {};
  return {true, first.chain.before, last.chain.after};
}

// The next entry of one input, ordered so that a priority queue yields the smallest page number
// first and of equal ones the newest input.
struct Candidate {
  Pgno pgno = 0;
  size_t input = 0;
  bool operator<(const Candidate& other) const {
    return pgno != other.pgno ? pgno > other.pgno : input < other.input;
  }
};

// Follows the winners in ascending order and finds pages that nobody supplies.
class CompletenessCheck {
 public:
  CompletenessCheck(const LtxHeader& merged, Pgno first_required)
      : commit_(merged.commit), lock_page_(lock_page(merged.page_size)), next_(first_required) {
    if (next_ == lock_page_) ++next_;
  }
  Status accept(Pgno pgno) {
    if (pgno < next_) return {};
    if (pgno > next_) return missing();
    next_ = next_stored_page(next_, lock_page_);
    return {};
  }
  Status finish() const { return next_ <= commit_ ? missing() : Status(); }

 private:
  Status missing() const {
    return corrupt("page " + std::to_string(next_) + " of " + std::to_string(commit_) +
                   " is in none of the files");
  }
  Pgno commit_;
  Pgno lock_page_;
  Pgno next_;
};

}  // namespace

Result<LtxHeader> merge_headers(std::span<const LtxHeader> headers) {
  if (headers.empty()) return invalid_argument("merge: no files");
  for (size_t i = 0; i < headers.size(); ++i) {
    LS_RETURN_IF_ERROR(validate_header(headers[i]));
    if (i > 0) LS_RETURN_IF_ERROR(check_continues(headers[i - 1], headers[i]));
  }
  const LtxHeader& last = headers.back();
  LtxHeader merged;
  merged.page_size = last.page_size;
  merged.commit = last.commit;
  merged.min_txid = headers.front().min_txid;
  merged.max_txid = last.max_txid;
  merged.timestamp = last.timestamp;
  merged.chain = merge_chains(headers.front(), last);
  return merged;
}

Result<MergePlan> MergePlan::create(std::vector<LtxContents> inputs) {
  std::vector<LtxHeader> headers;
  headers.reserve(inputs.size());
  for (const LtxContents& contents : inputs) headers.push_back(contents.header);
  MergePlan plan;
  LS_ASSIGN_OR_RETURN(plan.header_, merge_headers(headers));
  for (size_t i = 1; i < inputs.size(); ++i) {
    LS_RETURN_IF_ERROR(check_apply_checksums(inputs[i - 1], inputs[i]));
  }
  plan.inputs_.resize(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    plan.inputs_[i].wins.resize(inputs[i].index.count());
    plan.inputs_[i].contents = std::move(inputs[i]);
  }
  LS_RETURN_IF_ERROR(plan.choose_winners());
  return plan;
}

std::vector<Pgno> MergePlan::page_limits() const {
  std::vector<Pgno> limits(inputs_.size());
  Pgno limit = kPageCountMax;
  for (size_t i = inputs_.size(); i-- > 0;) {
    limit = std::min(limit, inputs_[i].contents.header.commit);
    limits[i] = limit;
  }
  return limits;
}

Status MergePlan::choose_winners() {
  const std::vector<Pgno> limits = page_limits();
  std::vector<PageIndex::Cursor> cursors;
  cursors.reserve(inputs_.size());
  std::priority_queue<Candidate> queue;
  for (size_t i = 0; i < inputs_.size(); ++i) {
    cursors.emplace_back(inputs_[i].contents.index);
    if (cursors[i].next()) queue.push({cursors[i].entry().pgno, i});
  }

  CompletenessCheck check(header_, header_.is_snapshot() ? 1 : limits.front() + 1);
  Pgno decided = 0;
  while (!queue.empty()) {
    const Candidate candidate = queue.top();
    queue.pop();
    PageIndex::Cursor& cursor = cursors[candidate.input];
    // If the newest file that has the page may not supply it, older ones may not either.
    if (candidate.pgno != decided && candidate.pgno <= limits[candidate.input]) {
      LS_RETURN_IF_ERROR(check.accept(candidate.pgno));
      Input& input = inputs_[candidate.input];
      input.wins[cursor.ordinal()] = true;
      ++input.winner_count;
      ++page_count_;
    }
    decided = candidate.pgno;
    if (cursor.next()) queue.push({cursor.entry().pgno, candidate.input});
  }
  return check.finish();
}

MergePlan::Winners::Winners(const MergePlan& plan, size_t number)
    : wins_(&plan.inputs_[number].wins), cursor_(plan.inputs_[number].contents.index) {}

bool MergePlan::Winners::next() {
  while (cursor_.next()) {
    if ((*wins_)[cursor_.ordinal()]) return true;
  }
  return false;
}

}  // namespace litestream
