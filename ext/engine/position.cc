#include "ext/engine/position.h"

#include <algorithm>

#include "ext/base/limits.h"
#include "ext/engine/record.h"

namespace litestream {
namespace {

constexpr std::string_view kFormatName = "litestream-state-1";

uint32_t number32(const Record& record, std::string_view key) {
  return static_cast<uint32_t>(record.number(key));
}

void put_clean(Record* out, const LocalState::CleanFile& clean) {
  out->put("clean", 1);
  out->put("device", clean.device);
  out->put("inode", clean.inode);
  out->put("size_bytes", clean.size_bytes);
  out->put("mtime_ns", static_cast<uint64_t>(clean.mtime_ns));
  out->put("ctime_ns", static_cast<uint64_t>(clean.ctime_ns));
  out->put("page_one", clean.page_one);
  out->put("recorded_at_ms", static_cast<uint64_t>(clean.recorded_at_ms));
}

LocalState state_of(const Record& record) {
  LocalState state;
  Position& position = state.position;
  position.txid = Txid{record.number("txid")};
  position.wal_known = record.number("wal_known") == 1;
  position.wal.salts = {number32(record, "salt1"), number32(record, "salt2")};
  position.wal.frame = number32(record, "frame");
  position.wal.checksum = {number32(record, "checksum1"), number32(record, "checksum2")};
  position.page_count = number32(record, "page_count");
  state.page_size_bytes = number32(record, "page_size_bytes");
  state.database_checksum = record.number("database_checksum");
  state.replica_url = record.text("replica_url");
  if (record.number("clean") != 1) return state;
  LocalState::CleanFile clean;
  clean.device = record.number("device");
  clean.inode = record.number("inode");
  clean.size_bytes = record.number("size_bytes");
  clean.mtime_ns = static_cast<int64_t>(record.number("mtime_ns"));
  clean.ctime_ns = static_cast<int64_t>(record.number("ctime_ns"));
  clean.page_one = record.number("page_one");
  clean.recorded_at_ms = static_cast<int64_t>(record.number("recorded_at_ms"));
  state.clean = clean;
  return state;
}

}  // namespace

Status save_state(FileSystem& fs, const std::string& path, const LocalState& state) {
  Record record;
  const Position& position = state.position;
  record.put("txid", position.txid.value);
  record.put("wal_known", position.wal_known ? 1 : 0);
  record.put("salt1", position.wal.salts.salt1);
  record.put("salt2", position.wal.salts.salt2);
  record.put("frame", position.wal.frame);
  record.put("checksum1", position.wal.checksum.s1);
  record.put("checksum2", position.wal.checksum.s2);
  record.put("page_count", position.page_count);
  record.put("page_size_bytes", state.page_size_bytes);
  record.put("database_checksum", state.database_checksum);
  record.put("replica_url", state.replica_url);
  if (state.clean) put_clean(&record, *state.clean);
  return record.save(fs, path, kFormatName);
}

Result<LocalState> load_state(FileSystem& fs, const std::string& path) {
  LS_ASSIGN_OR_RETURN(const Record record, Record::load(fs, path, kFormatName));
  LocalState state = state_of(record);
  if (!is_page_size(state.page_size_bytes)) return corrupt(path + ": impossible page size");
  return state;
}

Result<std::vector<std::string>> local_state_files(FileSystem& fs, const std::string& meta_path) {
  std::vector<std::string> files;
  const std::string spool = path_join(path_join(meta_path, "ltx"), "0");
  if (fs.stat(spool).ok()) {
    LS_ASSIGN_OR_RETURN(const auto entries, fs.list_directory(spool));
    for (const DirectoryEntry& entry : entries) {
      if (!entry.is_directory) files.push_back(path_join(spool, entry.name));
    }
  }
  for (const char* name : {"state", "pages"}) {
    const std::string path = path_join(meta_path, name);
    if (fs.stat(path).ok()) files.push_back(path);
  }
  std::sort(files.begin(), files.end());
  return files;
}

Status forget_local_state(FileSystem& fs, const std::string& meta_path) {
  if (!fs.stat(meta_path).ok()) return {};
  LS_ASSIGN_OR_RETURN(const auto lock, fs.lock_exclusive(path_join(meta_path, "owner.lock")));
  LS_ASSIGN_OR_RETURN(const auto files, local_state_files(fs, meta_path));
  for (const std::string& file : files) {
    const Status removed = fs.remove(file);
    if (!removed.ok() && removed.code() != StatusCode::kNotFound) return removed;
  }
  return {};
}

}  // namespace litestream
