#include "ext/engine/position.h"

#include <charconv>
#include <map>

#include "ext/base/durable_file.h"
#include "ext/base/limits.h"
#include "ext/ltx/checksum.h"

namespace litestream {
namespace {

constexpr std::string_view kFormatName = "litestream-state-1";
constexpr size_t kStateBytesMax = 64 << 10;

using Fields = std::map<std::string, std::string, std::less<>>;

Checksum checksum_of_text(std::string_view text) {
  Crc64 crc;
  crc.update(as_bytes(text));
  return crc.value();
}

void put(std::string* out, std::string_view key, uint64_t value) {
  *out += std::string(key) + "=" + std::to_string(value) + "\n";
}

// A missing or malformed number is 0: the checksum already vouches for what we wrote.
uint64_t number(const Fields& fields, std::string_view key) {
  const auto it = fields.find(key);
  uint64_t value = 0;
  if (it != fields.end()) {
    const char* end = it->second.data() + it->second.size();
    if (std::from_chars(it->second.data(), end, value).ptr != end) return 0;
  }
  return value;
}

uint32_t number32(const Fields& fields, std::string_view key) {
  return static_cast<uint32_t>(number(fields, key));
}

void put_clean(std::string* out, const LocalState::CleanFile& clean) {
  put(out, "clean", 1);
  put(out, "device", clean.device);
  put(out, "inode", clean.inode);
  put(out, "size_bytes", clean.size_bytes);
  put(out, "mtime_ns", static_cast<uint64_t>(clean.mtime_ns));
  put(out, "ctime_ns", static_cast<uint64_t>(clean.ctime_ns));
  put(out, "page_one", clean.page_one);
  put(out, "recorded_at_ms", static_cast<uint64_t>(clean.recorded_at_ms));
}

LocalState state_of(const Fields& fields) {
  LocalState state;
  Position& position = state.position;
  position.txid = Txid{number(fields, "txid")};
  position.wal_known = number(fields, "wal_known") == 1;
  position.wal.salts = {number32(fields, "salt1"), number32(fields, "salt2")};
  position.wal.frame = number32(fields, "frame");
  position.wal.checksum = {number32(fields, "checksum1"), number32(fields, "checksum2")};
  position.page_count = number32(fields, "page_count");
  state.page_size_bytes = number32(fields, "page_size_bytes");
  state.database_checksum = number(fields, "database_checksum");
  const auto url = fields.find("replica_url");
  if (url != fields.end()) state.replica_url = url->second;
  if (number(fields, "clean") != 1) return state;
  LocalState::CleanFile clean;
  clean.device = number(fields, "device");
  clean.inode = number(fields, "inode");
  clean.size_bytes = number(fields, "size_bytes");
  clean.mtime_ns = static_cast<int64_t>(number(fields, "mtime_ns"));
  clean.ctime_ns = static_cast<int64_t>(number(fields, "ctime_ns"));
  clean.page_one = number(fields, "page_one");
  clean.recorded_at_ms = static_cast<int64_t>(number(fields, "recorded_at_ms"));
  state.clean = clean;
  return state;
}

}  // namespace

Status save_state(FileSystem& fs, const std::string& path, const LocalState& state) {
  std::string text = std::string(kFormatName) + "\n";
  const Position& position = state.position;
  put(&text, "txid", position.txid.value);
  put(&text, "wal_known", position.wal_known ? 1 : 0);
  put(&text, "salt1", position.wal.salts.salt1);
  put(&text, "salt2", position.wal.salts.salt2);
  put(&text, "frame", position.wal.frame);
  put(&text, "checksum1", position.wal.checksum.s1);
  put(&text, "checksum2", position.wal.checksum.s2);
  put(&text, "page_count", position.page_count);
  put(&text, "page_size_bytes", state.page_size_bytes);
  put(&text, "database_checksum", state.database_checksum);
  text += "replica_url=" + state.replica_url + "\n";
  if (state.clean) put_clean(&text, *state.clean);
  text += "crc64=" + std::to_string(checksum_of_text(text)) + "\n";
  return write_small_file(fs, path, as_bytes(text), DurableFile::Sync::kNone);
}

Result<LocalState> load_state(FileSystem& fs, const std::string& path) {
  LS_ASSIGN_OR_RETURN(const std::string text, read_small_file(fs, path, kStateBytesMax));
  const size_t tail = text.rfind("crc64=");
  if (!text.starts_with(kFormatName) || tail == std::string::npos ||
      text.substr(tail) !=
          "crc64=" + std::to_string(checksum_of_text(std::string_view(text).substr(0, tail))) +
              "\n") {
    return corrupt(path + ": not a whole state record");
  }
  Fields fields;
  for (size_t at = kFormatName.size() + 1; at < tail;) {
    const size_t end = text.find('\n', at);
    const size_t equals = text.find('=', at);
    if (end == std::string::npos || equals == std::string::npos || equals > end) {
      return corrupt(path + ": malformed line in the state record");
    }
    fields[text.substr(at, equals - at)] = text.substr(equals + 1, end - equals - 1);
    at = end + 1;
  }
  LocalState state = state_of(fields);
  if (!is_page_size(state.page_size_bytes)) return corrupt(path + ": impossible page size");
  return state;
}

Status forget_local_state(FileSystem& fs, const std::string& meta_path) {
  if (!fs.stat(meta_path).ok()) return {};
  LS_ASSIGN_OR_RETURN(const auto lock, fs.lock_exclusive(path_join(meta_path, "owner.lock")));
  const std::string spool = path_join(path_join(meta_path, "ltx"), "0");
  if (fs.stat(spool).ok()) {
    LS_ASSIGN_OR_RETURN(const auto entries, fs.list_directory(spool));
    for (const DirectoryEntry& entry : entries) {
      if (!entry.is_directory) LS_RETURN_IF_ERROR(fs.remove(path_join(spool, entry.name)));
    }
  }
  for (const char* name : {"state", "pages"}) {
    const Status removed = fs.remove(path_join(meta_path, name));
    if (!removed.ok() && removed.code() != StatusCode::kNotFound) return removed;
  }
  return {};
}

}  // namespace litestream
