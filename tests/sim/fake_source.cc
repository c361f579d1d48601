#include "tests/sim/fake_source.h"

#include <algorithm>
#include <cstring>

namespace litestream::test {
namespace {

class WalFile final : public RandomReader {
 public:
  WalFile(const SimDatabase& database, SimHost& host) : database_(database), host_(host) {}
  Result<size_t> read_at(uint64_t offset_bytes, MutableBytes out) override {
    LS_RETURN_IF_ERROR(host_.pause("read the WAL"));
    const auto& bytes = database_.wal_file();
    if (offset_bytes >= bytes.size()) return size_t{0};
    const size_t count = std::min<size_t>(out.size(), bytes.size() - offset_bytes);
    std::memcpy(out.data(), bytes.data() + offset_bytes, count);
    return count;
  }
  Result<uint64_t> size_bytes() override { return uint64_t{database_.wal_file().size()}; }

 private:
  const SimDatabase& database_;
  SimHost& host_;
};

class DatabaseFile final : public RandomReader {
 public:
  DatabaseFile(const SimDatabase& database, SimHost& host) : database_(database), host_(host) {}
  Result<size_t> read_at(uint64_t offset_bytes, MutableBytes out) override {
    LS_RETURN_IF_ERROR(host_.pause("read the database"));
    const Image& pages = database_.database_file();
    const size_t page_size = database_.config().page_size;
    size_t done = 0;
    while (done < out.size()) {
      const size_t at = static_cast<size_t>(offset_bytes) + done;
      const size_t i = at / page_size;
      if (i >= pages.size()) break;
      const auto page =
          sim_page(database_.config().page_size, static_cast<uint32_t>(i + 1), pages[i]);
      const size_t count = std::min(out.size() - done, page_size - at % page_size);
      std::memcpy(out.data() + done, page.data() + at % page_size, count);
      done += count;
    }
    return done;
  }
  Result<uint64_t> size_bytes() override {
    return uint64_t{database_.database_file().size()} * database_.config().page_size;
  }

 private:
  const SimDatabase& database_;
  SimHost& host_;
};

class FakeReader final : public SourceReader {
 public:
  FakeReader(SimDatabase& database, SimHost& host, int slot, const WalIndex& index,
             uint32_t page_count)
      : database_(database),
        slot_(slot),
        index_(index),
        page_count_(page_count),
        wal_(database, host),
        file_(database, host) {}
  ~FakeReader() override {
    database_.end_read(slot_);
    database_.disconnect(false);
  }
  const WalIndex& index() const override { return index_; }
  uint32_t page_size_bytes() const override { return database_.config().page_size; }
  uint32_t page_count() const override { return page_count_; }
  RandomReader& wal() override { return wal_; }
  RandomReader& database() override { return file_; }

 private:
  SimDatabase& database_;
  const int slot_;
  const WalIndex index_;
  const uint32_t page_count_;
  WalFile wal_;
  DatabaseFile file_;
};

}  // namespace

FakeSource::FakeSource(SimDatabase& database, SimHost& host, SourceDefect defect)
    : database_(database),
      host_(host),
      defect_(defect),
      wal_(std::make_unique<WalFile>(database, host)),
      file_(std::make_unique<DatabaseFile>(database, host)) {}

FakeSource::~FakeSource() { close(false); }

Status FakeSource::open(bool) {
  close(false);
  LS_RETURN_IF_ERROR(host_.pause("open"));
  database_.connect();  // guard
  database_.connect();  // relief
  open_ = true;
  LS_RETURN_IF_ERROR(host_.pause("take the first mark"));
  guard_slot_ = database_.begin_read();
  if (guard_slot_ == SimDatabase::kNoSlot) return busy("no read slot");
  return host_.pause("read the page size");
}

void FakeSource::close(bool captured_all) {
  if (!open_) return;
  if (locked_) database_.unlock_writes();
  locked_ = false;
  database_.disconnect(false);
  database_.end_read(guard_slot_);
  guard_slot_ = SimDatabase::kNoSlot;
  // Between the end of the read and the close others may act.
  const bool alive = host_.pause("close").ok();
  database_.disconnect(captured_all && alive);
  open_ = false;
}

Result<WalIndex> FakeSource::read_index() {
  LS_RETURN_IF_ERROR(host_.pause("read the wal-index"));
  return database_.index();
}

Status FakeSource::advance() {
  LS_RETURN_IF_ERROR(host_.pause("advance"));
  if (defect_ == SourceDefect::kSkipsRelief) {
    database_.end_read(guard_slot_);
    guard_slot_ = SimDatabase::kNoSlot;
    (void)host_.pause("between the marks").ok();
    guard_slot_ = database_.begin_read();
    return {};
  }
  const int slot = database_.begin_read();
  if (slot == SimDatabase::kNoSlot) return busy("no read slot");
  const Status fault = host_.pause("between the marks");
  if (!fault.ok()) {
    database_.end_read(slot);
    return fault;
  }
  database_.end_read(guard_slot_);
  guard_slot_ = slot;
  return {};
}

Result<CheckpointOutcome> FakeSource::relief_checkpoint() {
  LS_RETURN_IF_ERROR(host_.pause("checkpoint"));
  return database_.checkpoint(CheckpointMode::kPassive);
}

Result<bool> FakeSource::relief_lock_writes(int64_t) {
  LS_RETURN_IF_ERROR(host_.pause("lock writes"));
  if (defect_ == SourceDefect::kSkipsWriteLock) return true;
  locked_ = database_.lock_writes();
  return locked_;
}

Status FakeSource::relief_unlock_writes() {
  if (locked_) database_.unlock_writes();
  locked_ = false;
  return {};
}

Result<CheckpointOutcome> FakeSource::guard_checkpoint_and_renew() {
  database_.end_read(guard_slot_);
  guard_slot_ = SimDatabase::kNoSlot;
  LS_RETURN_IF_ERROR(host_.pause("checkpoint the rest"));
  const CheckpointOutcome outcome = database_.checkpoint(CheckpointMode::kPassive);
  LS_RETURN_IF_ERROR(host_.pause("renew the mark"));
  guard_slot_ = database_.begin_read();
  if (guard_slot_ == SimDatabase::kNoSlot) return busy("no read slot");
  return outcome;
}

Result<bool> FakeSource::relief_truncate() {
  LS_RETURN_IF_ERROR(host_.pause("truncate"));
  return database_.checkpoint(CheckpointMode::kTruncate).ran;
}

Result<std::unique_ptr<SourceReader>> FakeSource::open_reader() {
  LS_RETURN_IF_ERROR(host_.pause("open a reader"));
  const int slot = database_.begin_read();
  if (slot == SimDatabase::kNoSlot) return busy("no read slot");
  // What this snapshot's pager thinks; asked for only if nothing in the WAL counts.
  const uint32_t pages_in_file = static_cast<uint32_t>(database_.database_file().size());
  const Status fault = host_.pause("read the reader's index");
  if (!fault.ok()) {
    database_.end_read(slot);
    return fault;
  }
  database_.connect();
  const WalIndex index = database_.index();
  const uint32_t page_count = index.mx_frame == 0 ? pages_in_file : index.page_count;
  std::unique_ptr<SourceReader> reader =
      std::make_unique<FakeReader>(database_, host_, slot, index, page_count);
  return reader;
}

}  // namespace litestream::test
