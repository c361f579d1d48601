#include "ext/store/s3_reader.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace litestream {
namespace {

constexpr size_t kBlockBytesMin = 128 << 10;
constexpr size_t kBlockBytesMax = 4 << 20;
// How long an object that was listed may stay hidden.
constexpr RetryPolicy kHiddenPolicy = {
    .attempts_max = 10, .first_delay_ms = 200, .delay_ms_max = 1000, .total_ms = 6000};

bool parse_number(std::string_view text, uint64_t* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

}  // namespace

bool ReadBudget::take(size_t bytes) {
  size_t left = left_bytes_.load();
  while (left >= bytes) {
    if (left_bytes_.compare_exchange_weak(left, left - bytes)) return true;
  }
  return false;
}

bool parse_content_range(std::string_view value, uint64_t* first, uint64_t* last, uint64_t* size) {
  constexpr std::string_view kUnit = "bytes ";
  if (!value.starts_with(kUnit)) return false;
  value.remove_prefix(kUnit.size());
  const size_t slash = value.find('/');
  if (slash == std::string_view::npos) return false;
  if (!parse_number(value.substr(slash + 1), size)) return false;
  const std::string_view range = value.substr(0, slash);
  if (range == "*") {
    *first = *last = 0;
    return true;
  }
  const size_t dash = range.find('-');
  return dash != std::string_view::npos && parse_number(range.substr(0, dash), first) &&
         parse_number(range.substr(dash + 1), last) && *first <= *last && *last < *size;
}

// Takes the bytes of one range, over as many answers as it needs.
class S3Reader::RangeSink final : public ByteSink {
 public:
  RangeSink(uint64_t begin, MutableBytes out) : begin_(begin), out_(out) {}

  // The answer begins at byte `first` of the object: where we are, or before it.
  Status begin_answer(uint64_t first) {
    if (first > position()) return corrupt("the store answered with another range");
    skip_bytes_ = position() - first;
    return {};
  }
  Status append(Bytes bytes) override {
    const size_t skipped = static_cast<size_t>(std::min<uint64_t>(skip_bytes_, bytes.size()));
    skip_bytes_ -= skipped;
    bytes = bytes.subspan(skipped);
    // More than was asked for: a store that ignores ranges. The rest is of no interest.
    if (bytes.size() > out_.size() - filled_) is_cut_ = true;
    bytes = bytes.first(std::min(bytes.size(), out_.size() - filled_));
    std::memcpy(out_.data() + filled_, bytes.data(), bytes.size());
    filled_ += bytes.size();
    return is_cut_ ? cancelled("enough") : Status();
  }

  uint64_t position() const { return begin_ + filled_; }
  size_t filled() const { return filled_; }
  uint64_t end() const { return begin_ + out_.size(); }
  bool is_cut() const { return is_cut_; }
  // The object ends there.
  void cut_at(uint64_t size) {
    const uint64_t left = size > begin_ ? size - begin_ : 0;
    if (left < out_.size()) out_ = out_.first(static_cast<size_t>(left));
  }

 private:
  const uint64_t begin_;
  MutableBytes out_;
  size_t filled_ = 0;
  uint64_t skip_bytes_ = 0;
  bool is_cut_ = false;
};

S3Reader::S3Reader(S3Client& client, ReadBudget& budget, std::string key, uint64_t listed_bytes)
    : client_(client),
      budget_(budget),
      key_(std::move(key)),
      listed_bytes_(listed_bytes),
      block_bytes_(kBlockBytesMin) {}

S3Reader::~S3Reader() { budget_.give_back(borrowed_bytes_); }

Status S3Reader::replaced() const { return not_found(key_ + " was replaced while it was read"); }

HttpHeaders S3Reader::range_headers(const RangeSink& sink) const {
  HttpHeaders headers = {
      {"Range", "bytes=" + std::to_string(sink.position()) + "-" + std::to_string(sink.end() - 1)}};
  // A weak tag never matches; then the sizes must do.
  if (!etag_.empty() && !etag_.starts_with("W/")) headers.push_back({"If-Match", etag_});
  return headers;
}

// Before the first byte of an answer counts: is it this object, and the range that is missing?
Status S3Reader::check_head(const HttpResponse& head, RangeSink* sink) {
  if (!head.ok()) return {};
  uint64_t first = 0;
  uint64_t last = 0;
  uint64_t size = 0;
  if (head.status != 206) {
    if (!parse_number(head.header("content-length"), &size)) {
      return corrupt("the store told no length");
    }
  } else if (!parse_content_range(head.header("content-range"), &first, &last, &size)) {
    return corrupt("the store told no range");
  }
  const std::string_view etag = head.header("etag");
  const bool is_other = !etag.empty() && !etag_.empty() && etag != etag_;
  if (is_other || (size_is_known_ && size != size_bytes_)) return replaced();
  if (!etag.empty()) etag_ = etag;
  size_is_known_ = true;
  size_bytes_ = size;
  sink->cut_at(size);
  return sink->begin_answer(first);
}

Status S3Reader::settle_refusal(const S3Call& call, const S3Answer& answer, uint64_t offset) {
  if (answer.http.status == 412) return replaced();
  if (answer.http.status != 416) return client_.error_of(call, answer);
  // Nothing behind the end; how large is it?
  uint64_t first = 0;
  uint64_t last = 0;
  uint64_t size = 0;
  if (size_is_known_) return {};
  if (parse_content_range(answer.http.header("content-range"), &first, &last, &size)) {
    size_bytes_ = size;
    size_is_known_ = true;
  } else if (offset == 0) {
    size_is_known_ = true;  // an empty object is the only one without a first byte
  }
  return {};
}

Status S3Reader::fetch_once(uint64_t offset, MutableBytes out, size_t* got) {
  RangeSink sink(offset, out);
  S3Call call;
  call.what = "read";
  call.key = key_;
  call.is_encrypted = true;
  call.headers = range_headers(sink);
  call.sink = &sink;
  call.on_head = [&](const HttpResponse& head) { return check_head(head, &sink); };
  size_t filled_before = 0;
  call.before_retry = [&](HttpHeaders* headers) {
    std::erase_if(*headers, [](const HttpHeader& header) {
      return header.name == "Range" || header.name == "If-Match";
    });
    const HttpHeaders rest = range_headers(sink);
    headers->insert(headers->end(), rest.begin(), rest.end());
    return sink.filled() > std::exchange(filled_before, sink.filled());
  };
  const auto answer = client_.send(call);
  *got = sink.filled();
  if (sink.is_cut()) return {};
  if (!answer.ok()) return answer.status();
  if (!answer->ok()) {
    *got = 0;
    return settle_refusal(call, *answer, offset);
  }
  if (sink.position() == sink.end()) return {};
  return unavailable(key_ + ": the answer is too short");
}

Status S3Reader::fetch(uint64_t offset, MutableBytes out, size_t* got) {
  RetryLoop hidden(kHiddenPolicy, client_.world(),
                   [this] { return !client_.check_stopped().ok(); });
  while (true) {
    const bool is_first = !size_is_known_;
    const Status status = fetch_once(offset, out, got);
    const bool is_missing = status.code() == StatusCode::kNotFound && is_first;
    const bool is_short = status.ok() && is_first && size_bytes_ < listed_bytes_;
    if (listed_bytes_ == 0 || (!is_missing && !is_short)) return status;
    // It was listed: not every replica of the store may know it yet.
    if (!hidden.wait_before_retry(Failure::kTransient, std::nullopt)) return status;
    size_is_known_ = false;
    etag_.clear();
  }
}

const S3Reader::Block* S3Reader::find_block(uint64_t offset) const {
  for (const Block& block : blocks_) {
    if (offset >= block.begin && offset < block.end()) return &block;
  }
  return nullptr;
}

void S3Reader::grow() {
  const size_t larger = std::min(block_bytes_ * 2, kBlockBytesMax);
  const size_t more = 2 * (larger - block_bytes_);  // two blocks
  if (more == 0 || !budget_.take(more)) return;
  borrowed_bytes_ += more;
  block_bytes_ = larger;
}

Status S3Reader::load_block(uint64_t offset) {
  const bool goes_on = !blocks_[0].bytes.empty() && offset == blocks_[0].end();
  if (goes_on) grow();
  Block block;
  // Where reading goes on, the block begins there; elsewhere it also holds what is around.
  block.begin = goes_on ? offset : offset - offset % block_bytes_;
  size_t wanted = block_bytes_;
  if (size_is_known_) {
    wanted = static_cast<size_t>(std::min<uint64_t>(wanted, size_bytes_ - block.begin));
  } else if (listed_bytes_ > block.begin && listed_bytes_ - block.begin < wanted) {
    wanted = static_cast<size_t>(listed_bytes_ - block.begin);
  }
  // The older block goes first: two at a time, and never three.
  blocks_[1] = std::move(blocks_[0]);
  blocks_[0] = Block();
  block.bytes.resize(wanted);
  size_t got = 0;
  LS_RETURN_IF_ERROR(fetch(block.begin, block.bytes, &got));
  block.bytes.resize(got);
  blocks_[0] = std::move(block);
  return {};
}

Result<uint64_t> S3Reader::size_bytes() {
  if (!size_is_known_) LS_RETURN_IF_ERROR(load_block(0));
  return size_bytes_;
}

Result<size_t> S3Reader::read_at(uint64_t offset_bytes, MutableBytes out) {
  size_t done = 0;
  while (done < out.size()) {
    const uint64_t offset = offset_bytes + done;
    if (size_is_known_ && offset >= size_bytes_) break;
    const Block* block = find_block(offset);
    if (block == nullptr) {
      LS_RETURN_IF_ERROR(load_block(offset));
      block = find_block(offset);
      if (block == nullptr) break;  // behind the end
    }
    const size_t at = static_cast<size_t>(offset - block->begin);
    const size_t count = std::min(out.size() - done, block->bytes.size() - at);
    std::memcpy(out.data() + done, block->bytes.data() + at, count);
    done += count;
  }
  return done;
}

}  // namespace litestream
