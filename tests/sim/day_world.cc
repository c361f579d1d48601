#include "tests/sim/day_world.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "ext/engine/database_stream.h"
#include "ext/engine/restore_plan.h"

namespace litestream::test {
namespace {

constexpr int64_t kLookEveryMs = 10'000;
constexpr int64_t kDayMs = 86'400'000;
constexpr int kStepsMax = 10'000;  // at one moment

SimDatabase::Config config_of(const DayPlan& plan) {
  SimDatabase::Config config;
  config.page_size = plan.page_size;
  config.page_count = plan.page_count;
  return config;
}

void require_ok(const Status& status) {
  if (!status.ok()) throw std::runtime_error(status.message());
}

}  // namespace

// Counts what one level is sent.
class DayWorld::Writer final : public LtxWriter {
 public:
  Writer(std::unique_ptr<LtxWriter> below, DayReport::Level& level)
      : below_(std::move(below)), level_(level) {}
  Status append(Bytes bytes) override {
    level_.put_bytes += bytes.size();
    return below_->append(bytes);
  }
  Status commit() override {
    ++level_.put_count;
    return below_->commit();
  }

 private:
  const std::unique_ptr<LtxWriter> below_;
  DayReport::Level& level_;
};

class DayWorld::Store final : public SimStore {
 public:
  Store(MemoryStore& shared, DayReport& report) : SimStore(shared), report_(report) {}
  Result<std::unique_ptr<LtxWriter>> create(const LtxFileInfo& file) override {
    LS_ASSIGN_OR_RETURN(auto below, SimStore::create(file));
    std::unique_ptr<LtxWriter> writer =
        std::make_unique<Writer>(std::move(below), report_.levels[static_cast<size_t>(file.level)]);
    return writer;
  }
  Result<std::vector<LtxFileInfo>> remove(std::span<const LtxFileInfo> files,
                                          Status* why) override {
    ++report_.remove_count;
    report_.removed_file_count += files.size();
    return SimStore::remove(files, why);
  }

 private:
  DayReport& report_;
};

DayWorld::DayWorld(const DayPlan& plan)
    : plan_(plan),
      random_(1),
      dir_(TempDir::Place::kMemory),
      database_path_(dir_.file("app.db")),
      database_(config_of(plan), random_, clock_),
      fs_(posix_file_system(), database_path_, database_) {
  const int64_t time_of_day_ms = clock_.wall_ms() % kDayMs;
  clock_.advance((plan.begin_of_day_ms + kDayMs - time_of_day_ms) % kDayMs);
  store_.set_hook([this](StoreCall call, const LtxFileInfo*) {
    if (call == StoreCall::kList) ++report_.list_count;
    if (call == StoreCall::kOpen) ++report_.get_count;
    if (call == StoreCall::kLease) ++report_.lease_count;
    return Status();
  });
  database_.connect();
  start();
}

DayWorld::~DayWorld() { replicator_.reset(); }

void DayWorld::start() {
  ReplicatorParts parts;
  parts.fs = &fs_;
  parts.clock = &clock_;
  parts.jobs = &jobs_;
  parts.sync_turn_wait_max_ms = 0;
  parts.wake = [this] { woken_ = true; };
  parts.options.path = database_path_;
  parts.database_path = database_path_;
  parts.meta_path = dir_.file("meta");
  parts.source =
      std::make_unique<FakeSource>(database_, static_cast<SimHost&>(*this), SourceDefect::kNone);
  parts.replicas.push_back({"memory", std::make_unique<Store>(store_, report_)});
  parts.spool = std::make_unique<SimStore>(spool_);
  parts.may_set_wal = true;
  replicator_ = std::make_shared<Replicator>(std::move(parts));
}

void DayWorld::commit() {
  SimChange change;
  change.page_count = plan_.page_count;
  for (uint32_t i = 0; i < plan_.pages_per_commit; ++i) {
    change.pages.push_back(static_cast<uint32_t>(random_.between(2, plan_.page_count)));
  }
  database_.commit(change);
  ++report_.commit_count;
  replicator_->note_commit();
}

void DayWorld::step() {
  woken_ = false;
  due_ms_ = replicator_->step();
  while (!jobs_.empty()) jobs_.take(0)();
  const ReplicatorStatus now = replicator_->status();
  if (now.phase == ReplicatorStatus::Phase::kFailed || !now.last_error.empty()) {
    throw std::runtime_error("the replicator says: " + now.last_error);
  }
}

// Whatever is due until `end_ms`, at its time.
void DayWorld::step_until(int64_t end_ms) {
  int steps = 0;
  while (woken_ || due_ms_ <= end_ms) {
    const int64_t now_ms = clock_.monotonic_ms();
    if (!woken_ && due_ms_ > now_ms) {
      clock_.advance(due_ms_ - now_ms);
      steps = 0;
    }
    if (++steps > kStepsMax) throw std::runtime_error("the replicator does not come to rest");
    step();
  }
  clock_.advance(std::max<int64_t>(0, end_ms - clock_.monotonic_ms()));
}

void DayWorld::look_at_replica() {
  std::array<size_t, kLevelMax + 1> counts{};
  uint64_t size_bytes = 0;
  const std::vector<LtxFileInfo> files = store_.files();
  for (DayReport::Level& level : report_.levels) level.size_bytes = 0;
  for (const LtxFileInfo& file : files) {
    const auto level = static_cast<size_t>(file.level);
    ++counts[level];
    size_bytes += file.size_bytes;
    report_.levels[level].size_bytes += file.size_bytes;
    if (file.min_txid.value == 1) {
      report_.snapshot_bytes = std::max(report_.snapshot_bytes, file.size_bytes);
    }
  }
  for (size_t i = 0; i < counts.size(); ++i) {
    report_.levels[i].file_count = counts[i];
    report_.levels[i].file_count_max = std::max(report_.levels[i].file_count_max, counts[i]);
  }
  report_.file_count = files.size();
  report_.file_count_max = std::max(report_.file_count_max, files.size());
  report_.size_bytes = size_bytes;
  report_.size_bytes_max = std::max(report_.size_bytes_max, size_bytes);
}

DayReport DayWorld::run() {
  const int64_t begin_ms = clock_.monotonic_ms();
  int64_t next_look_ms = begin_ms;
  step();
  for (int64_t at_ms = begin_ms; at_ms < begin_ms + plan_.duration_ms;
       at_ms += plan_.commit_interval_ms) {
    step_until(at_ms);
    commit();
    if (at_ms < next_look_ms) continue;
    look_at_replica();
    next_look_ms += kLookEveryMs;
  }
  step_until(begin_ms + plan_.duration_ms + 2 * plan_.commit_interval_ms);
  look_at_replica();
  return report_;
}

bool DayWorld::newest_is_right() {
  class Pages final : public PageSink {
   public:
    explicit Pages(const Image& image) : image_(image) {}
    Status begin(const DatabaseShape& shape) override {
      same = shape.page_count == image_.size();
      return {};
    }
    Status add_page(Pgno pgno, Bytes page, Checksum) override {
      same = same && sim_page_version(pgno, page) == image_[pgno - 1];
      return {};
    }
    bool same = false;

   private:
    const Image& image_;
  };
  const auto plan = plan_restore(store_.files(), RestoreTarget::newest());
  require_ok(plan.status());
  Pages pages(database_.current());
  require_ok(stream_database(store_, *plan, pages, {}).status());
  return pages.same;
}

}  // namespace litestream::test
