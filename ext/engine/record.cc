#include "ext/engine/record.h"

#include <algorithm>
#include <charconv>

#include "ext/base/durable_file.h"
#include "ext/ltx/checksum.h"

namespace litestream {
namespace {

constexpr size_t kRecordBytesMax = 64 << 10;
constexpr size_t kValueBytesMax = 16 << 10;

std::string checksum_line(std::string_view text) {
  Crc64 crc;
  crc.update(as_bytes(text));
  return "crc64=" + std::to_string(crc.value()) + "\n";
}

}  // namespace

void Record::put(std::string_view key, std::string value) {
  value.resize(std::min(value.size(), kValueBytesMax));
  std::replace(value.begin(), value.end(), '\n', ' ');
  fields_[std::string(key)] = std::move(value);
}

std::string Record::text(std::string_view key) const {
  const auto it = fields_.find(key);
  return it == fields_.end() ? std::string() : it->second;
}

uint64_t Record::number(std::string_view key) const {
  const std::string value = text(key);
  uint64_t number = 0;
  const char* end = value.data() + value.size();
  return std::from_chars(value.data(), end, number).ptr == end ? number : 0;
}

std::string Record::encode(std::string_view format_name) const {
  std::string text = std::string(format_name) + "\n";
  for (const auto& [key, value] : fields_) text += key + "=" + value + "\n";
  return text + checksum_line(text);
}

Status Record::save(FileSystem& fs, const std::string& path, std::string_view format_name) const {
  const std::string text = encode(format_name);
  return write_small_file(fs, path, as_bytes(text), DurableFile::Sync::kNone);
}

Result<Record> Record::load(FileSystem& fs, const std::string& path, std::string_view format_name) {
  LS_ASSIGN_OR_RETURN(const std::string text, read_small_file(fs, path, kRecordBytesMax));
  const size_t tail = text.rfind("crc64=");
  if (tail == std::string::npos || !text.starts_with(std::string(format_name) + "\n") ||
      text.substr(tail) != checksum_line(std::string_view(text).substr(0, tail))) {
    return corrupt(path + ": not a whole record");
  }
  Record record;
  for (size_t at = format_name.size() + 1; at < tail;) {
    const size_t end = text.find('\n', at);
    const size_t equals = text.find('=', at);
    if (end == std::string::npos || equals == std::string::npos || equals > end) {
      return corrupt(path + ": malformed line");
    }
    record.fields_[text.substr(at, equals - at)] = text.substr(equals + 1, end - equals - 1);
    at = end + 1;
  }
  return record;
}

}  // namespace litestream
