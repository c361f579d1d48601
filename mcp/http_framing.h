// Where one HTTP/1.1 request ends, in bytes as they arrive. Framing only: cpp-httplib reads the
// head. Whatever two readers could take for different ends is refused. Threading:
// thread-compatible.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace litestream {

inline constexpr size_t kHttpHeadBytesMax = 32 << 10;
inline constexpr size_t kHttpHeaderCountMax = 100;
inline constexpr size_t kHttpBodyBytesMax = 4 << 20;  // kRpcMessageBytesMax
// A longer body is thrown away as it arrives, so that the client reads its 413; beyond this the
// connection is closed instead.
inline constexpr uint64_t kHttpDiscardedBytesMax = 64 << 20;

struct HttpFrame {
  std::string head;  // request line and headers, up to and with the empty line
  std::string body;  // without transfer coding
  bool body_too_long = false;
};

class HttpFraming {
 public:
  enum class State {
    kIdle,  // nothing has arrived
    kHead,
    kBody,
    kComplete,  // take() it
    kRefused,   // refusal_status() says why; nothing more is read
  };

  // Takes from the front of `buffer` what belongs to this request.
  State advance(std::string& buffer);
  State state() const { return state_; }
  int refusal_status() const { return refusal_status_; }
  // The client waits for "100 Continue" before it sends the body. True once.
  bool take_expectation();
  HttpFrame take();
  size_t held_bytes() const { return frame_.head.size() + frame_.body.size(); }

 private:
  enum class ChunkPart { kSize, kData, kDataEnd, kTrailer };

  State refuse(int status);
  State read_head(std::string& buffer);
  bool read_head_line(std::string_view line);
  bool read_header(std::string_view name, std::string_view value);
  State read_body(std::string& buffer);
  State read_chunked(std::string& buffer);
  bool read_chunk_size(std::string_view line);
  // Up to `remaining_bytes_` bytes of body; true when all of them are there.
  bool read_data(std::string& buffer);

  State state_ = State::kIdle;
  int refusal_status_ = 0;
  HttpFrame frame_;
  size_t scanned_bytes_ = 0;  // of the buffer, without an end of head in them
  bool has_length_ = false;
  bool is_chunked_ = false;
  bool expects_continue_ = false;
  ChunkPart chunk_part_ = ChunkPart::kSize;
  uint64_t remaining_bytes_ = 0;  // of the body, or of the chunk
  uint64_t body_bytes_ = 0;
  size_t trailer_bytes_ = 0;
};

}  // namespace litestream
