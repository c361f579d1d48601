// Small records of the local folder: lines of `key=value`, a format name in front, a CRC-64 behind.
// Written by rename, so a reader sees the old one or the new one; the checksum tells what a power
// loss tore.
// Threading: values.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "ext/base/file_system.h"

namespace litestream {

class Record {
 public:
  // Line breaks in a value become spaces.
  void put(std::string_view key, std::string value);
  void put(std::string_view key, uint64_t value) { put(key, std::to_string(value)); }

  // Empty, or 0, for what is missing or malformed: the checksum already vouches for our own.
  std::string text(std::string_view key) const;
  uint64_t number(std::string_view key) const;

  std::string encode(std::string_view format_name) const;
  // Without sync: a record can be rebuilt, and a torn one is noticed.
  Status save(FileSystem& fs, const std::string& path, std::string_view format_name) const;
  // NotFound without a file; Corrupt for anything but a whole record of this format.
  static Result<Record> load(FileSystem& fs, const std::string& path, std::string_view format_name);

 private:
  std::map<std::string, std::string, std::less<>> fields_;
};

}  // namespace litestream
