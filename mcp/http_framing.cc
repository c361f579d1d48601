#include "mcp/http_framing.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "mcp/http_access.h"
#include "mcp/jsonrpc.h"

namespace litestream {
namespace {

static_assert(kHttpBodyBytesMax == kRpcMessageBytesMax);

constexpr std::string_view kHeadEnd = "\r\n\r\n";
constexpr size_t kChunkLineBytesMax = 256;  // size and extensions
constexpr size_t kTrailerLineBytesMax = 8192;

bool is_token_character(char c) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         kOthers.find(c) != std::string_view::npos;
}

bool has_control_character(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    return (static_cast<uint8_t>(c) < 0x20 && c != '\t') || c == 0x7F;
  });
}

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool parse_number(std::string_view text, int base, uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  return !text.empty() && error == std::errc() && end == text.data() + text.size();
}

}  // namespace

HttpFraming::State HttpFraming::refuse(int status) {
  refusal_status_ = status;
  return state_ = State::kRefused;
}

HttpFraming::State HttpFraming::advance(std::string& buffer) {
  if (state_ == State::kIdle) {
    // Empty lines before a request are allowed, and some clients send one after a body.
    const size_t first = buffer.find_first_not_of("\r\n");
    buffer.erase(0, first);
    if (!buffer.empty()) state_ = State::kHead;
  }
  if (state_ == State::kHead) read_head(buffer);
  if (state_ == State::kBody) is_chunked_ ? read_chunked(buffer) : read_body(buffer);
  return state_;
}

HttpFraming::State HttpFraming::read_head(std::string& buffer) {
  const size_t end = buffer.find(kHeadEnd, scanned_bytes_);
  if (std::min(end, buffer.size()) > kHttpHeadBytesMax) return refuse(431);
  if (end == std::string::npos) {
    scanned_bytes_ = buffer.size() < kHeadEnd.size() ? 0 : buffer.size() - kHeadEnd.size() + 1;
    return state_;
  }
  frame_.head = buffer.substr(0, end + kHeadEnd.size());
  buffer.erase(0, end + kHeadEnd.size());
  std::string_view lines = std::string_view(frame_.head).substr(0, end + 2);
  if (has_control_character(lines.substr(0, lines.find("\r\n")))) return refuse(400);
  lines.remove_prefix(lines.find("\r\n") + 2);
  for (size_t count = 0; !lines.empty(); ++count) {
    if (count == kHttpHeaderCountMax) return refuse(431);
    const size_t line_end = lines.find("\r\n");
    if (!read_head_line(lines.substr(0, line_end))) return refuse(400);
    lines.remove_prefix(line_end + 2);
  }
  if (is_chunked_ && has_length_) return refuse(400);
  if (refusal_status_ != 0) return state_ = State::kRefused;
  if (!is_chunked_ && remaining_bytes_ > kHttpDiscardedBytesMax) return refuse(413);
  return state_ = is_chunked_ || remaining_bytes_ > 0 ? State::kBody : State::kComplete;
}

bool HttpFraming::read_head_line(std::string_view line) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  const std::string_view name = line.substr(0, colon);
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (!std::all_of(name.begin(), name.end(), is_token_character)) return false;
  return !has_control_character(value) && read_header(name, value);
}

bool HttpFraming::read_header(std::string_view name, std::string_view value) {
  if (equal_ignoring_case(name, "Content-Length")) {
    if (has_length_ || value.size() > 18 || !parse_number(value, 10, remaining_bytes_)) {
      return false;
    }
    has_length_ = true;
  } else if (equal_ignoring_case(name, "Transfer-Encoding")) {
    if (is_chunked_) return false;
    is_chunked_ = true;
    if (!equal_ignoring_case(value, "chunked")) refusal_status_ = 501;
  } else if (equal_ignoring_case(name, "Expect")) {
    if (!equal_ignoring_case(value, "100-continue")) refusal_status_ = 417;
    expects_continue_ = true;
  }
  return true;
}

bool HttpFraming::read_data(std::string& buffer) {
  const size_t size = static_cast<size_t>(std::min<uint64_t>(remaining_bytes_, buffer.size()));
  body_bytes_ += size;
  if (body_bytes_ > kHttpBodyBytesMax && !frame_.body_too_long) {
    frame_.body_too_long = true;
    std::string().swap(frame_.body);
  }
  if (!frame_.body_too_long) frame_.body.append(buffer, 0, size);
  buffer.erase(0, size);
  remaining_bytes_ -= size;
  return remaining_bytes_ == 0;
}

HttpFraming::State HttpFraming::read_body(std::string& buffer) {
  if (remaining_bytes_ > kHttpBodyBytesMax) frame_.body_too_long = true;
  if (read_data(buffer)) state_ = State::kComplete;
  return state_;
}

bool HttpFraming::read_chunk_size(std::string_view line) {
  const std::string_view digits = trimmed(line.substr(0, line.find(';')));
  if (digits.size() > 15 || has_control_character(line)) return false;
  return parse_number(digits, 16, remaining_bytes_);
}

HttpFraming::State HttpFraming::read_chunked(std::string& buffer) {
  while (true) {
    if (chunk_part_ == ChunkPart::kData) {
      if (!read_data(buffer)) return state_;
      chunk_part_ = ChunkPart::kDataEnd;
      continue;
    }
    const size_t end = buffer.find("\r\n");
    if (end == std::string::npos) {
      const size_t line_bytes_max =
          chunk_part_ == ChunkPart::kTrailer ? kTrailerLineBytesMax : kChunkLineBytesMax;
      return buffer.size() > line_bytes_max ? refuse(400) : state_;
    }
    const std::string line = buffer.substr(0, end);
    buffer.erase(0, end + 2);
    if (chunk_part_ == ChunkPart::kDataEnd) {
      if (!line.empty()) return refuse(400);
      chunk_part_ = ChunkPart::kSize;
    } else if (chunk_part_ == ChunkPart::kSize) {
      if (!read_chunk_size(line)) return refuse(400);
      if (body_bytes_ + remaining_bytes_ > kHttpDiscardedBytesMax) return refuse(413);
      chunk_part_ = remaining_bytes_ == 0 ? ChunkPart::kTrailer : ChunkPart::kData;
    } else if (line.empty()) {
      return state_ = State::kComplete;
    } else {
      trailer_bytes_ += line.size();
      if (trailer_bytes_ > kHttpHeadBytesMax) return refuse(431);
    }
  }
}

bool HttpFraming::take_expectation() {
  if (state_ != State::kBody) return false;
  return std::exchange(expects_continue_, false);
}

HttpFrame HttpFraming::take() {
  HttpFrame frame = std::move(frame_);
  *this = HttpFraming();
  return frame;
}

}  // namespace litestream
