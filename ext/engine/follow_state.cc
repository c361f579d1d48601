#include "ext/engine/follow_state.h"

#include "ext/base/durable_file.h"
#include "ext/engine/record.h"

namespace litestream {
namespace {

constexpr std::string_view kFormatName = "litestream follow 1";
// Offsets in the database header.
constexpr size_t kWriteVersion = 18;
constexpr size_t kReadVersion = 19;
constexpr size_t kChangeCounter = 24;
constexpr size_t kPageCount = 28;
constexpr size_t kVersionValidFor = 92;
constexpr uint8_t kRollbackJournal = 1;

void put_point(Record* record, const std::string& prefix, const FollowPoint& point) {
  record->put(prefix + "txid", point.txid.value);
  record->put(prefix + "created_at_ms", static_cast<uint64_t>(point.created_at_ms));
  record->put(prefix + "page_count", uint64_t{point.page_count});
  record->put(prefix + "change_counter", uint64_t{point.change_counter});
  record->put(prefix + "checksum", point.checksum);
  record->put(prefix + "page_one", point.page_one);
}

FollowPoint get_point(const Record& record, const std::string& prefix) {
  FollowPoint point;
  point.txid = Txid{record.number(prefix + "txid")};
  point.created_at_ms = static_cast<int64_t>(record.number(prefix + "created_at_ms"));
  point.page_count = static_cast<uint32_t>(record.number(prefix + "page_count"));
  point.change_counter = static_cast<uint32_t>(record.number(prefix + "change_counter"));
  point.checksum = record.number(prefix + "checksum");
  point.page_one = record.number(prefix + "page_one");
  return point;
}

}  // namespace

std::string follow_state_path(const std::string& output) { return output + "-follow"; }

Result<FollowState> load_follow_state(FileSystem& fs, const std::string& output) {
  LS_ASSIGN_OR_RETURN(const Record record,
                      Record::load(fs, follow_state_path(output), kFormatName));
  FollowState state;
  state.replica_url = record.text("replica_url");
  state.page_size = static_cast<uint32_t>(record.number("page_size"));
  state.from = get_point(record, "from_");
  state.to = get_point(record, "to_");
  return state;
}

Status save_follow_state(FileSystem& fs, const std::string& output, const FollowState& state) {
  Record record;
  record.put("replica_url", state.replica_url);
  record.put("page_size", uint64_t{state.page_size});
  put_point(&record, "from_", state.from);
  put_point(&record, "to_", state.to);
  const std::string text = record.encode(kFormatName);
  return write_small_file(fs, follow_state_path(output), as_bytes(text),
                          DurableFile::Sync::kDurable);
}

void edit_page_one(MutableBytes page, uint32_t change_counter, uint32_t page_count) {
  page[kWriteVersion] = kRollbackJournal;
  page[kReadVersion] = kRollbackJournal;
  store_be32(page.data() + kChangeCounter, change_counter);
  store_be32(page.data() + kPageCount, page_count);
  store_be32(page.data() + kVersionValidFor, change_counter);
}

uint32_t change_counter_of(Bytes page) { return load_be32(page.data() + kChangeCounter); }

}  // namespace litestream
