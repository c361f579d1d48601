// Writes JSON on one line, valid UTF-8 whatever it is given.
// Threading: a writer is thread-compatible; functions are pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace litestream {

// Appends `text` as a JSON string with its quotes: quotes, backslashes and control characters are
// escaped, bytes that are not UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);

// `text` with every byte that is not part of valid UTF-8 replaced by U+FFFD.
std::string to_valid_utf8(std::string_view text);

// Commas and colons set themselves:
//   JsonWriter w; w.begin_object().key("id").raw(id).key("text").string(t).end_object();
// The caller keeps begin and end balanced and gives raw() only valid one-line JSON.
class JsonWriter {
 public:
  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }
  JsonWriter& key(std::string_view name);
  JsonWriter& string(std::string_view text);
  JsonWriter& integer(int64_t number);
  JsonWriter& real(double number);  // null if not finite
  JsonWriter& boolean(bool value);
  JsonWriter& null();
  JsonWriter& raw(std::string_view json);

  const std::string& text() const& { return text_; }
  std::string take() && { return std::move(text_); }

 private:
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  void separate();

  std::string text_;
  bool needs_comma_ = false;
};

}  // namespace litestream
