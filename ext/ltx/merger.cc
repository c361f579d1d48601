#include "ext/ltx/merger.h"

#include <algorithm>
#include <string>

namespace litestream {

WinnerReader::WinnerReader(const MergePlan& plan, size_t input, size_t buffer_bytes,
                           size_t gap_bytes_max)
    : winners_(plan, input),
      buffer_bytes_(buffer_bytes),
      gap_bytes_max_(gap_bytes_max),
      at_end_(!winners_.next()) {}

// From the current winner to the last one that fits into the same read.
size_t WinnerReader::run_bytes() const {
  const PageIndexEntry& first = winners_.entry();
  uint64_t end = first.offset_bytes + first.size_bytes;
  MergePlan::Winners ahead = winners_;
  while (ahead.next()) {
    const PageIndexEntry& entry = ahead.entry();
    const uint64_t entry_end = entry.offset_bytes + entry.size_bytes;
    if (entry.offset_bytes - end > gap_bytes_max_) break;
    if (entry_end - first.offset_bytes > buffer_bytes_) break;
    end = entry_end;
  }
  return static_cast<size_t>(end - first.offset_bytes);
}

bool WinnerReader::is_loaded() const {
  return !at_end_ && winners_.entry().offset_bytes < buffer_offset_bytes_ + buffer_.size();
}

Status WinnerReader::load(RandomReader& reader) {
  buffer_.resize(run_bytes());
  buffer_offset_bytes_ = winners_.entry().offset_bytes;
  const Status status = read_exactly(reader, buffer_offset_bytes_, buffer_);
  if (!status.ok()) buffer_.clear();
  return status;
}

Result<LtxPageView> WinnerReader::read(PageDecompressor& decompressor, MutableBytes page) {
  if (!is_loaded()) return internal_error("page is not loaded");
  const PageIndexEntry& entry = winners_.entry();
  const Bytes frame = Bytes(buffer_).subspan(
      static_cast<size_t>(entry.offset_bytes - buffer_offset_bytes_), entry.size_bytes);
  LS_ASSIGN_OR_RETURN(const PageFrame decoded,
                      decode_page_frame(frame, entry.pgno, decompressor, page));
  at_end_ = !winners_.next();
  return LtxPageView{decoded.pgno, page, decoded.block};
}

void WinnerReader::release() {
  if (at_end_ || (!is_loaded() && buffer_.capacity() > buffer_bytes_)) {
    std::vector<uint8_t>().swap(buffer_);
  }
}

PageMerger::PageMerger(const MergePlan& plan, MergeReaders& readers,
                       const MergeReadOptions& options)
    : readers_(readers), page_(plan.header().page_size) {
  const size_t share =
      std::min(options.read_bytes_max, options.buffer_bytes_total / plan.input_count());
  inputs_.reserve(plan.input_count());
  for (size_t i = 0; i < plan.input_count(); ++i) {
    inputs_.emplace_back(plan, i, share, options.gap_bytes_max);
    const Pgno pgno = inputs_[i].next_pgno();
    if (pgno != 0) heads_.push({pgno, i});
  }
}

Result<std::optional<LtxPageView>> PageMerger::next() {
  LS_RETURN_IF_ERROR(failure_);
  inputs_[latest_].release();
  if (heads_.empty()) return std::optional<LtxPageView>();
  latest_ = heads_.top().input;
  heads_.pop();
  WinnerReader& input = inputs_[latest_];
  Result<LtxPageView> view = read_from(input, latest_);
  if (!view.ok()) {
    failure_ = view.status();
    return failure_;
  }
  if (input.next_pgno() != 0) heads_.push({input.next_pgno(), latest_});
  return std::optional(*view);
}

Result<LtxPageView> PageMerger::read_from(WinnerReader& input, size_t number) {
  if (!input.is_loaded()) {
    LS_ASSIGN_OR_RETURN(RandomReader* const reader, readers_.reader_of(number));
    LS_RETURN_IF_ERROR(input.load(*reader));
  }
  return input.read(decompressor_, page_);
}

}  // namespace litestream
