#include "ext/engine/start_job.h"

#include <algorithm>

#include "ext/base/limits.h"
#include "ext/base/log.h"
#include "ext/engine/database_stream.h"
#include "ext/engine/jobs.h"
#include "ext/engine/restore_plan.h"
#include "ext/engine/start_replicas.h"
#include "ext/ltx/checksum.h"
#include "ext/ltx/contents.h"
#include "ext/ltx/encoder.h"
#include "ext/ltx/file_name.h"
#include "ext/wal/wal_reader.h"

namespace litestream {
namespace {

constexpr int64_t kFreshMtimeNs = 2'000'000'000;

// Page 1 without the fields of the header that every commit changes: what is left is the schema.
std::vector<uint8_t> schema_page(Bytes page) {
  constexpr std::pair<ptrdiff_t, ptrdiff_t> kVolatile[] = {{24, 40}, {92, 100}};
  std::vector<uint8_t> masked(page.begin(), page.end());
  for (const auto& [first, end] : kVolatile) {
    std::fill(masked.begin() + first, masked.begin() + end, uint8_t{0});
  }
  return masked;
}

struct SumSink final : PageSink {
  PageSums sums;
  std::vector<uint8_t> schema;
  Status begin(const DatabaseShape& shape) override {
    sums = PageSums(shape.page_size);
    sums.resize(shape.page_count);
    return {};
  }
  Status add_page(Pgno pgno, Bytes page, Checksum checksum) override {
    if (pgno == 1) schema = schema_page(page);
    sums.set(pgno, checksum);
    return {};
  }
};

class Starter {
 public:
  explicit Starter(const StartInput& input) : in_(input), index_(input.reader->index()) {}

  Result<StartResult> run();

 private:
  Status look_around();
  Status check_remote_end();
  Status drop_spool();
  Result<Checksum> local_checksum_at(Txid txid);
  Status find_sums();
  Status rebuild_sums();
  Result<bool> continues_in_wal();
  Result<bool> was_shut_down_cleanly();
  Result<StartResult> go_on();
  Status require_all_replicas() const;
  Result<StartResult> compare();
  Result<StartResult> fresh_snapshot(Txid txid);
  Result<LtxFileInfo> write_first_snapshot(SnapshotPages& pages, Txid txid, const PageSums& sums);
  Status write_difference(SnapshotPages& pages, const std::vector<Pgno>& changed,
                          const PageSums& now, Txid txid);
  Position position_at_mark(Txid txid) const;
  Status refuse_foreign(SnapshotPages& pages, const PageSums& now) const;

  Status look_at_replicas();
  LtxStore& base() const { return *in_.replicas[base_].store; }
  ReplicaStart standing_of(size_t number, const StartResult& result);

  const StartInput& in_;
  const WalIndex index_;
  std::vector<Result<ReplicaFiles>> looked_;  // per replica
  size_t base_ = 0;                           // the replica that reaches furthest
  std::vector<LtxFileInfo> remote_;           // its files
  std::vector<LtxFileInfo> spooled_;
  std::optional<LocalState> state_;
  std::optional<PageSums> sums_;
  Txid have_;  // newest TXID anybody knows
  Txid remote_newest_;
  std::vector<uint8_t> remote_schema_;  // of the replica's newest point, if it was read
  bool diverged_ = false;        // the replica went on without us: nothing local describes it
  bool remote_damaged_ = false;  // its newest file cannot be read
};

Status Starter::look_at_replicas() {
  std::optional<size_t> base;
  for (const StartReplica& replica : in_.replicas) {
    looked_.push_back(look_at_replica(replica));
    const auto& looked = looked_.back();
    if (!looked.ok()) {
      // What waiting does not cure, and another writer, is said at once.
      const bool may_pass = looked.status().retryable();
      if (!may_pass || looked.status().code() == StatusCode::kBusy) return looked.status();
      continue;
    }
    if (!base || looked->newest > looked_[*base]->newest) base = looked_.size() - 1;
  }
  if (!base) return looked_.front().status();
  base_ = *base;
  remote_ = looked_[base_]->files;
  remote_newest_ = looked_[base_]->newest;
  remote_damaged_ = looked_[base_]->damaged;
  return {};
}

Status Starter::look_around() {
  LS_RETURN_IF_ERROR(look_at_replicas());
  LS_ASSIGN_OR_RETURN(spooled_, in_.spool->list(0));
  auto state = load_state(*in_.fs, in_.state_path);
  if (state.ok() && share_replica(state->replica_url, in_.replicas)) {
    state_ = std::move(state).value();
  } else if (state.ok() || remote_.empty()) {
    // The spool belongs to another replica, or to one that is gone: a snapshot will hold it all.
    LS_RETURN_IF_ERROR(drop_spool());
  }
  have_ = std::max(remote_newest_, newest_of(spooled_));
  if (state_) have_ = std::max(have_, state_->position.txid);
  return remote_.empty() ? Status() : check_remote_end();
}

// What the local folder says the database was at `txid`; 0 if it does not say.
Result<Checksum> Starter::local_checksum_at(Txid txid) {
  if (state_ && state_->position.txid == txid) return state_->database_checksum;
  for (const LtxFileInfo& file : spooled_) {
    if (file.max_txid != txid && file.min_txid != txid.next()) continue;
    const auto chain = chain_of(*in_.spool, file);
    if (!chain.ok() || !chain->known) continue;
    return file.max_txid == txid ? chain->after : chain->before;
  }
  return Checksum{0};
}

// The newest file of the replica against what we believe to have put there. An older image of this
// disk, or a second copy of it, continues under the same numbers with other content.
Status Starter::check_remote_end() {
  const Checksum end = looked_[base_]->end_checksum;
  LS_ASSIGN_OR_RETURN(const Checksum local, local_checksum_at(remote_newest_));
  if (end == 0 || local == 0 || local == end) return {};
  diverged_ = true;
  log_message(LogLevel::kWarning,
              "litestream: " + in_.database_path + ": " + base().url() +
                  " holds another database under TXID " + format_txid(remote_newest_) +
                  " than this one had; the difference follows under a new TXID");
  return drop_spool();
}

Status Starter::drop_spool() {
  constexpr size_t kRemoveFilesMax = 1000;
  while (!spooled_.empty()) {
    const size_t count = std::min(spooled_.size(), kRemoveFilesMax);
    Status why;
    LS_ASSIGN_OR_RETURN(const auto remaining,
                        in_.spool->remove(std::span(spooled_).first(count), &why));
    if (!remaining.empty()) return why.with_context("remove spooled files of another history");
    spooled_.erase(spooled_.begin(), spooled_.begin() + static_cast<ptrdiff_t>(count));
  }
  return {};
}

// Page checksums of the newest known TXID: the local file, rolled forward if it is behind.
Status Starter::find_sums() {
  auto local = PageSums::load(*in_.fs, in_.pages_path);
  if (local.ok() && state_ && !diverged_ && local->txid() <= have_ &&
      local->page_size_bytes() == state_->page_size_bytes) {
    PageSums sums = std::move(local).value();
    Status rolled = roll_forward(&sums, *in_.spool, spooled_, in_.cancel);
    if (rolled.ok() && sums.txid() < have_) {
      std::vector<LtxFileInfo> level_0;
      for (const LtxFileInfo& file : remote_) {
        if (file.level == 0) level_0.push_back(file);
      }
      rolled = roll_forward(&sums, base(), level_0, in_.cancel);
    }
    if (rolled.code() == StatusCode::kCancelled) return rolled;
    if (rolled.ok() && sums.txid() == have_) {
      sums_ = std::move(sums);
      return {};
    }
  }
  return rebuild_sums();
}

Status Starter::rebuild_sums() {
  if (remote_.empty()) return {};
  auto plan = plan_restore(remote_, RestoreTarget::at_txid(remote_newest_));
  if (!plan.ok()) return {};  // not restorable: a snapshot will heal it
  SumSink sink;
  StreamOptions options;
  options.cancelled = in_.cancel;
  const auto streamed = stream_database(base(), *plan, sink, options);
  if (streamed.status().code() == StatusCode::kCancelled || streamed.status().retryable()) {
    return streamed.status();
  }
  if (!streamed.ok()) return {};  // damaged: a snapshot will heal it
  remote_schema_ = std::move(sink.schema);
  PageSums sums = std::move(sink.sums);
  sums.set_txid(remote_newest_);
  const Status rolled = roll_forward(&sums, *in_.spool, spooled_, in_.cancel);
  if (rolled.code() == StatusCode::kCancelled) return rolled;
  if (rolled.ok() && sums.txid() == have_) sums_ = std::move(sums);
  return {};
}

Result<bool> Starter::continues_in_wal() {
  if (!state_ || !sums_ || diverged_ || state_->position.txid != have_) return false;
  const Position& position = state_->position;
  if (state_->page_size_bytes != in_.reader->page_size_bytes()) return false;
  if (sums_->database_checksum() != state_->database_checksum) return false;
  if (!position.wal_known || position.wal.salts != index_.salts) return false;
  if (position.wal.frame > index_.mx_frame) return false;
  // With everything backfilled the guard may be on lock 0, which lets the next writer reset away
  // what was not captured before our first capture comes to it.
  const bool all_backfilled = index_.backfill_count >= index_.mx_frame;
  if (all_backfilled && position.wal.frame < index_.mx_frame) return false;
  return frame_matches(in_.reader->wal(), in_.reader->page_size_bytes(), position.wal);
}

// The file is byte for byte what we left, so every commit since is in the WAL from frame 1 on.
Result<bool> Starter::was_shut_down_cleanly() {
  if (!state_ || !state_->clean || !sums_ || diverged_) return false;
  if (state_->position.txid != have_) return false;
  if (sums_->database_checksum() != state_->database_checksum) return false;
  const LocalState::CleanFile& then = *state_->clean;
  std::vector<uint8_t> page(in_.reader->page_size_bytes());
  LS_RETURN_IF_ERROR(read_exactly(in_.reader->database(), 0, page));
  LS_ASSIGN_OR_RETURN(const auto now, clean_file_of(*in_.fs, in_.database_path,
                                                    page_checksum(1, page), then.recorded_at_ms));
  // A change within the clock's grain of the record would not show.
  const bool trusted = then.mtime_ns <= then.recorded_at_ms * 1'000'000 - kFreshMtimeNs;
  return trusted && now == then;
}

Position Starter::position_at_mark(Txid txid) const {
  Position position;
  position.txid = txid;
  position.wal_known = index_.mx_frame > 0;
  if (position.wal_known) position.wal = {index_.salts, index_.mx_frame, index_.frame_checksum};
  position.page_count = in_.reader->page_count();
  return position;
}

Result<LtxFileInfo> Starter::write_first_snapshot(SnapshotPages& pages, Txid txid,
                                                  const PageSums& sums) {
  Job job("snapshot", in_.database_path, "");
  JobControl control;
  control.cancel = [&] { return (in_.cancel && in_.cancel()) || job.is_cancelled(); };
  control.progress = [&job](uint64_t done, uint64_t total) { job.report(done, total); };
  control.may_publish = [this] { return in_.replicas[base_].lease->ensure(); };
  control.acceleration = in_.level_acceleration;
  auto written =
      write_snapshot(pages, base(), txid, in_.marked_at_ms, sums.database_checksum(), control);
  // Without it nothing is replicated.
  const bool is_stopping = in_.cancel && in_.cancel();
  if (written.ok() || !job.is_cancelled() || is_stopping) return written;
  return unavailable("the first snapshot was cancelled; it is tried again");
}

Result<StartResult> Starter::fresh_snapshot(Txid txid) {
  LS_ASSIGN_OR_RETURN(auto pages, SnapshotPages::open(*in_.reader));
  StartResult result;
  LS_ASSIGN_OR_RETURN(result.sums, sum_pages(pages, in_.cancel));
  result.sums.set_txid(txid);
  LS_ASSIGN_OR_RETURN(const LtxFileInfo written, write_first_snapshot(pages, txid, result.sums));
  result.position = position_at_mark(written.max_txid);
  looked_[base_]->files.push_back(written);
  looked_[base_]->newest = txid;
  looked_[base_]->end_checksum = result.sums.database_checksum();
  looked_[base_]->damaged = false;
  // Killed from here on, the next start knows that this replica is this database's.
  LocalState state;
  state.position = result.position;
  state.page_size_bytes = result.sums.page_size_bytes();
  state.database_checksum = result.sums.database_checksum();
  state.replica_url = replica_urls(in_.replicas);
  (void)save_state(*in_.fs, in_.state_path, state).ok();
  result.how = "snapshot " + format_txid(txid);
  return result;
}

Status Starter::refuse_foreign(SnapshotPages& pages, const PageSums& now) const {
  if (sums_->page_size_bytes() != now.page_size_bytes()) {
    return invalid_argument(base().url() + " holds a database with pages of " +
                            std::to_string(sums_->page_size_bytes()) + " bytes, " +
                            in_.database_path + " has " + std::to_string(now.page_size_bytes()) +
                            ": give this database a replica folder of its own");
  }
  if (state_) return {};
  for (Pgno pgno = 1; pgno <= std::min(sums_->page_count(), now.page_count()); ++pgno) {
    if (sums_->sum_of(pgno) != 0 && sums_->sum_of(pgno) == now.sum_of(pgno)) return {};
  }
  // Of a small database every page may have changed; its schema rarely did.
  std::vector<uint8_t> page(now.page_size_bytes());
  LS_RETURN_IF_ERROR(pages.read_page(1, page));
  if (schema_page(page) == remote_schema_) return {};
  return invalid_argument(base().url() + " holds another database (no page is the same as in " +
                          in_.database_path + "): give this database a replica folder of its own");
}

Status Starter::write_difference(SnapshotPages& pages, const std::vector<Pgno>& changed,
                                 const PageSums& now, Txid txid) {
  LtxHeader header;
  header.page_size = pages.page_size_bytes();
  header.commit = pages.page_count();
  header.min_txid = header.max_txid = txid;
  header.timestamp = in_.marked_at_ms;
  header.chain = {true, sums_->database_checksum(), now.database_checksum()};
  LS_ASSIGN_OR_RETURN(auto writer, in_.spool->create({0, txid, txid, 0, header.timestamp}));
  LtxEncoder encoder(in_.capture_acceleration);
  LS_RETURN_IF_ERROR(encoder.begin(header, *writer));
  std::vector<uint8_t> page(pages.page_size_bytes());
  for (const Pgno pgno : changed) {
    if (in_.cancel && in_.cancel()) return cancelled("interrupted");
    LS_RETURN_IF_ERROR(pages.read_page(pgno, page));
    LS_RETURN_IF_ERROR(encoder.add_page(pgno, page));
  }
  LS_RETURN_IF_ERROR(encoder.finish());
  return writer->commit();
}

Result<StartResult> Starter::compare() {
  LS_ASSIGN_OR_RETURN(auto pages, SnapshotPages::open(*in_.reader));
  StartResult result;
  LS_ASSIGN_OR_RETURN(result.sums, sum_pages(pages, in_.cancel));
  LS_RETURN_IF_ERROR(refuse_foreign(pages, result.sums));
  std::vector<Pgno> changed;
  for (Pgno pgno = 1; pgno <= result.sums.page_count(); ++pgno) {
    if (result.sums.sum_of(pgno) != sums_->sum_of(pgno)) changed.push_back(pgno);
  }
  Txid txid = have_;
  if (!changed.empty() || result.sums.page_count() != sums_->page_count()) {
    txid = have_.next();
    LS_RETURN_IF_ERROR(write_difference(pages, changed, result.sums, txid));
  }
  result.sums.set_txid(txid);
  result.position = position_at_mark(txid);
  result.how = "compared, " + std::to_string(changed.size()) + " pages differed";
  return result;
}

// Whether a replica can go on from where it is to the position.
ReplicaStart Starter::standing_of(size_t number, const StartResult& result) {
  ReplicaStart out;
  if (!looked_[number].ok()) {
    out.reached = looked_[number].status();
    return out;
  }
  const ReplicaFiles& looked = *looked_[number];
  out = standing(looked, spooled_, result.position.txid);
  if (out.needs_snapshot || number == base_ || looked.end_checksum == 0) return out;
  Checksum local = 0;
  if (looked.newest == result.position.txid) {
    local = result.sums.database_checksum();
  } else if (const auto known = local_checksum_at(looked.newest); known.ok()) {
    local = *known;
  }
  if (local == 0 || local == looked.end_checksum) return out;
  out.needs_snapshot = true;
  out.why = "it holds another database under TXID " + format_txid(looked.newest);
  return out;
}

Result<StartResult> Starter::run() {
  LS_RETURN_IF_ERROR(look_around());
  StartResult result;
  if (have_ == Txid{}) {
    LS_RETURN_IF_ERROR(require_all_replicas());
    LS_ASSIGN_OR_RETURN(result, fresh_snapshot(Txid{1}));
    result.how = "first snapshot";
  } else {
    LS_RETURN_IF_ERROR(find_sums());
    if (!sums_) LS_RETURN_IF_ERROR(require_all_replicas());
    LS_ASSIGN_OR_RETURN(result, sums_ ? go_on() : fresh_snapshot(have_.next()));
  }
  LS_ASSIGN_OR_RETURN(spooled_, in_.spool->list(0));
  for (size_t i = 0; i < looked_.size(); ++i) result.replicas.push_back(standing_of(i, result));
  return result;
}

Status Starter::require_all_replicas() const {
  for (const auto& looked : looked_) {
    if (!looked.ok() && !in_.may_leave_out) return looked.status();
  }
  return {};
}

Result<StartResult> Starter::go_on() {
  LS_ASSIGN_OR_RETURN(const bool continues, continues_in_wal());
  LS_ASSIGN_OR_RETURN(const bool clean, was_shut_down_cleanly());
  if (!continues && !clean) {
    LS_RETURN_IF_ERROR(require_all_replicas());
    return compare();
  }
  StartResult result;
  result.position = state_->position;
  if (!continues) result.position.wal_known = false;
  result.sums = std::move(*sums_);
  result.how = continues ? "continued in the WAL" : "continued after a clean shutdown";
  return result;
}

}  // namespace

Result<StartResult> run_start(const StartInput& input) {
  auto result = Starter(input).run();
  if (!result.ok()) return result.status().with_context("start " + input.database_path);
  return result;
}

Result<LocalState::CleanFile> clean_file_of(FileSystem& fs, const std::string& database_path,
                                            Checksum page_one, int64_t now_ms) {
  LS_ASSIGN_OR_RETURN(const FileStat stat, fs.stat(database_path));
  LocalState::CleanFile clean;
  clean.device = stat.device;
  clean.inode = stat.inode;
  clean.size_bytes = stat.size_bytes;
  clean.mtime_ns = stat.mtime_ns;
  clean.ctime_ns = stat.ctime_ns;
  clean.page_one = page_one;
  clean.recorded_at_ms = now_ms;
  return clean;
}

Status roll_forward(PageSums* sums, LtxStore& store, std::vector<LtxFileInfo> files,
                    const CancelCheck& cancel) {
  std::sort(files.begin(), files.end(),
            [](const LtxFileInfo& a, const LtxFileInfo& b) { return a.min_txid < b.min_txid; });
  std::vector<uint8_t> page(sums->page_size_bytes());
  for (const LtxFileInfo& file : files) {
    if (file.max_txid <= sums->txid()) continue;
    const std::string context = store.path_of(file);
    if (file.min_txid != sums->txid().next()) {
      return position_mismatch(context + ": does not continue " + format_txid(sums->txid()));
    }
    LS_ASSIGN_OR_RETURN(auto reader, store.open(file));
    auto opened = LtxIndexedFile::open(*reader);
    if (!opened.ok()) return opened.status().with_context(context);
    const LtxHeader& header = opened->header();
    if (header.page_size != sums->page_size_bytes() ||
        (header.chain.known && header.chain.before != sums->database_checksum())) {
      return position_mismatch(context + ": made for another base");
    }
    sums->resize(std::min(sums->page_count(), header.commit));
    sums->resize(header.commit);
    auto entries = opened->entries();
    while (entries.next()) {
      if (cancel && cancel()) return cancelled("interrupted");
      const Pgno pgno = entries.entry().pgno;
      LS_RETURN_IF_ERROR(opened->read_page(entries.entry(), page).with_context(context));
      sums->set(pgno, page_checksum(pgno, page));
    }
    if (header.chain.known && header.chain.after != sums->database_checksum()) {
      return corrupt(context + ": the chain checksum does not fit its pages");
    }
    sums->set_txid(file.max_txid);
  }
  return {};
}

}  // namespace litestream
