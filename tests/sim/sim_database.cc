#include "tests/sim/sim_database.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "ext/wal/wal_format.h"

namespace litestream::test {
namespace {

constexpr int64_t kMtimeGrainMs = 4;  // of a usual Linux file system

}  // namespace

std::vector<uint8_t> sim_page(uint32_t page_size, uint32_t pgno, Version version) {
  std::vector<uint8_t> page(page_size);
  for (uint32_t at = 0; at < page_size; at += 64) {
    std::memset(&page[at], static_cast<int>((version * 7 + pgno * 31 + at / 64) & 0xff), 64);
  }
  store_be32(&page[0], pgno);
  store_be32(&page[4], version);
  return page;
}

std::optional<Version> sim_page_version(uint32_t pgno, Bytes page) {
  const Version version = load_be32(&page[4]);
  const auto expected = sim_page(static_cast<uint32_t>(page.size()), pgno, version);
  if (!std::equal(page.begin(), page.end(), expected.begin())) return std::nullopt;
  return version;
}

SimDatabase::SimDatabase(const Config& config, Prng& random, const SimClock& clock)
    : config_(config), random_(random), clock_(clock) {
  SimState first;
  for (uint32_t pgno = 1; pgno <= config.page_count; ++pgno) {
    file_.push_back(next_version_++);
    first.touched.insert(pgno);
  }
  first.image = file_;
  history_.push_back(std::move(first));
  touch_file();
}

size_t SimDatabase::frame_end(uint32_t frame_no) const {
  return static_cast<size_t>(wal_frame_offset(frame_no + 1, config_.page_size));
}

void SimDatabase::touch_file() {
  file_mtime_ns_ = clock_.wall_ms() / kMtimeGrainMs * kMtimeGrainMs * 1'000'000;
}

FileStat SimDatabase::stat() const {
  FileStat stat;
  stat.device = 1;
  stat.inode = 7;
  stat.size_bytes = file_.size() * config_.page_size;
  stat.mtime_ns = stat.ctime_ns = file_mtime_ns_;
  stat.mtime_ms = file_mtime_ns_ / 1'000'000;
  stat.is_regular = true;
  return stat;
}

WalIndex SimDatabase::index() const {
  WalIndex index;
  index.change_counter = change_counter_;
  index.big_endian_checksums = config_.big_endian;
  index.page_size = config_.page_size;
  index.mx_frame = mx_frame_;
  index.salts = salts_;
  index.backfill_count = backfill_;
  index.read_marks = marks_;
  if (mx_frame_ > 0) {
    index.page_count = frames_[mx_frame_ - 1].commit;
    const BuiltFrame& last = builder_->frames()[mx_frame_ - 1];
    index.frame_checksum = {last.checksum1, last.checksum2};
  }
  return index;
}

Image SimDatabase::logical_image() const {
  Image image = file_;
  if (mx_frame_ == 0) return image;
  for (uint32_t i = 0; i < mx_frame_; ++i) {
    const Frame& frame = frames_[i];
    if (image.size() < frame.pgno) image.resize(frame.pgno, 0);
    image[frame.pgno - 1] = frame.version;
  }
  image.resize(frames_[mx_frame_ - 1].commit, 0);
  return image;
}

// ---------------------------------------------------------------- connections

void SimDatabase::connect() {
  if (connection_count_++ == 0) recover();
}

void SimDatabase::disconnect(bool may_checkpoint) {
  if (--connection_count_ > 0) return;
  if (!may_checkpoint) return kill_all();  // the same to the file
  write_locked_ = false;
  readers_ = {};
  (void)checkpoint(CheckpointMode::kPassive);
  wal_file_.clear();
  wal_durable_.clear();
  dirty_from_ = SIZE_MAX;
  builder_.reset();
  frames_.clear();
  mx_frame_ = backfill_ = 0;
}

// Recovery stops at a frame without checksum. If frames beyond it were copied to the file already,
// SQLite itself leaves a broken database: not our subject, so the checkpoint gets done here.
void SimDatabase::kill_all() {
  if (has_unchained_ && backfill_ > 0) {
    readers_ = {};
    write_locked_ = false;
    (void)checkpoint(CheckpointMode::kTruncate);
  }
  connection_count_ = 0;
  write_locked_ = false;
  readers_ = {};
}

void SimDatabase::lose_power() {
  kill_all();
  if (dirty_from_ == SIZE_MAX) return;
  // Usually a prefix survives; sometimes any of the written frames do.
  const bool scattered = random_.chance(4);
  const size_t frame_bytes = config_.page_size + kWalFrameHeaderBytes;
  const size_t size = wal_file_.size();
  std::vector<uint8_t> after = wal_durable_;
  bool cut = false;
  for (size_t at = dirty_from_; at < size; at += frame_bytes) {
    if (scattered ? random_.chance(3) : random_.chance(12)) {
      cut = true;
    } else if (scattered) {
      cut = false;
    }
    if (cut) continue;
    const size_t end = std::min(size, at + frame_bytes);
    if (after.size() < end) after.resize(end, 0);
    std::copy(wal_file_.begin() + static_cast<ptrdiff_t>(at),
              wal_file_.begin() + static_cast<ptrdiff_t>(end),
              after.begin() + static_cast<ptrdiff_t>(at));
  }
  wal_file_ = after;
  wal_durable_ = std::move(after);
  dirty_from_ = SIZE_MAX;
}

// The longest chain of frames with right checksums, up to its last commit. The chain is checked by
// building it anew.
void SimDatabase::recover() {
  builder_.reset();
  frames_.clear();
  mx_frame_ = backfill_ = 0;
  has_unchained_ = false;
  salts_ = {};
  readers_ = {};
  marks_ = {0, 0, kMarkUnused, kMarkUnused, kMarkUnused};
  std::vector<Frame> found;
  uint32_t last_commit = 0;
  if (wal_file_.size() >= kWalHeaderBytes) {
    const WalSalts salts = {load_be32(&wal_file_[16]), load_be32(&wal_file_[20])};
    WalBuilder chain(config_.page_size, config_.big_endian, salts.salt1, salts.salt2);
    bool good = std::equal(chain.bytes().begin(), chain.bytes().end(), wal_file_.begin());
    while (good && frame_end(chain.frame_count() + 1) <= wal_file_.size()) {
      const size_t at = frame_end(chain.frame_count());
      const uint8_t* head = &wal_file_[at];
      const Bytes page(head + kWalFrameHeaderBytes, config_.page_size);
      const Frame frame = {load_be32(head), load_be32(head + 4), load_be32(page.data() + 4)};
      if (frame.pgno == 0) break;
      chain.add_frame(frame.pgno, frame.commit, std::vector<uint8_t>(page.begin(), page.end()));
      good = std::equal(chain.bytes().begin() + static_cast<ptrdiff_t>(at), chain.bytes().end(),
                        wal_file_.begin() + static_cast<ptrdiff_t>(at));
      if (!good) break;
      found.push_back(frame);
      if (frame.commit != 0) last_commit = chain.frame_count();
    }
    if (last_commit > 0) {
      builder_.emplace(config_.page_size, config_.big_endian, salts.salt1, salts.salt2);
      found.resize(last_commit);
      for (const Frame& frame : found) add(*builder_, frame, false);
      frames_ = std::move(found);
      mx_frame_ = last_commit;
      salts_ = salts;
      marks_[1] = mx_frame_;
    }
  }
  ++change_counter_;
  SimState state;
  state.image = logical_image();
  if (state.image != current()) history_.push_back(std::move(state));
}

// ---------------------------------------------------------------- readers

bool SimDatabase::readers_beyond_lock_0() const {
  return std::any_of(readers_.begin() + 1, readers_.end(), [](uint32_t n) { return n > 0; });
}

int SimDatabase::begin_read() {
  if (backfill_ == mx_frame_) {
    ++readers_[0];
    return 0;
  }
  size_t best = 0;
  for (size_t i = 1; i < marks_.size(); ++i) {
    if (marks_[i] <= mx_frame_ && (best == 0 || marks_[i] >= marks_[best])) best = i;
  }
  if (best == 0 || marks_[best] < mx_frame_) {
    for (size_t i = 1; i < marks_.size(); ++i) {
      if (readers_[i] > 0) continue;
      marks_[i] = mx_frame_;
      best = i;
      break;
    }
  }
  if (best == 0) return kNoSlot;
  ++readers_[best];
  return static_cast<int>(best);
}

void SimDatabase::end_read(int slot) {
  if (slot >= 0 && readers_[static_cast<size_t>(slot)] > 0) --readers_[static_cast<size_t>(slot)];
}

bool SimDatabase::lock_writes() {
  if (write_locked_) return false;
  write_locked_ = true;
  return true;
}

// ---------------------------------------------------------------- checkpoints

uint32_t SimDatabase::safe_frame(bool* reader_in_way) {
  uint32_t safe = mx_frame_;
  for (size_t i = 1; i < marks_.size(); ++i) {
    if (safe <= marks_[i]) continue;
    if (readers_[i] > 0) {
      safe = marks_[i];
      *reader_in_way = true;
    } else {
      marks_[i] = i == 1 ? safe : kMarkUnused;
    }
  }
  return safe;
}

// Of each page only its newest frame is copied, and not even that if it lies beyond `safe`.
std::vector<SimDatabase::Frame> SimDatabase::frames_to_copy(uint32_t safe) const {
  std::map<uint32_t, uint32_t> newest;
  for (uint32_t i = 0; i < mx_frame_; ++i) newest[frames_[i].pgno] = i + 1;
  std::vector<Frame> copied;
  for (const auto& [pgno, frame_no] : newest) {
    if (frame_no <= backfill_ || frame_no > safe) continue;
    if (pgno <= frames_[mx_frame_ - 1].commit) copied.push_back(frames_[frame_no - 1]);
  }
  return copied;
}

void SimDatabase::copy_to_file(const Frame& frame) {
  if (file_.size() < frame.pgno) file_.resize(frame.pgno, 0);
  file_[frame.pgno - 1] = frame.version;
}

CheckpointOutcome SimDatabase::checkpoint(CheckpointMode mode, bool own_write_lock) {
  bool reader_in_way = false;
  const bool without_lock = mode != CheckpointMode::kPassive && write_locked_ && !own_write_lock;
  if (without_lock) mode = CheckpointMode::kPassive;
  if (backfill_ < mx_frame_) {
    const uint32_t safe = safe_frame(&reader_in_way);
    if (backfill_ < safe && readers_[0] == 0) {
      sync_wal();
      for (const Frame& frame : frames_to_copy(safe)) copy_to_file(frame);
      if (safe == mx_frame_) file_.resize(frames_[mx_frame_ - 1].commit, 0);
      touch_file();
      backfill_ = safe;
    }
  }
  CheckpointOutcome outcome;
  outcome.ran = !without_lock;
  outcome.log_frame_count = mx_frame_;
  outcome.checkpointed_frame_count = backfill_;
  if (mode == CheckpointMode::kPassive) return outcome;
  if (backfill_ < mx_frame_) outcome.ran = false;
  if (!outcome.ran || mode == CheckpointMode::kFull) return outcome;
  if (readers_beyond_lock_0()) {
    outcome.ran = false;
  } else if (mode == CheckpointMode::kTruncate) {
    restart_header();
    wal_file_.clear();
    wal_durable_.clear();
    dirty_from_ = SIZE_MAX;
  }
  return outcome;
}

void SimDatabase::checkpoint_and_die() {
  if (backfill_ == mx_frame_ || readers_[0] > 0) return;
  bool reader_in_way = false;
  const uint32_t safe = safe_frame(&reader_in_way);
  if (backfill_ >= safe) return;
  sync_wal();
  for (const Frame& frame : frames_to_copy(safe)) {
    if (random_.chance(2)) copy_to_file(frame);
  }
  touch_file();
}

// ---------------------------------------------------------------- writers

void SimDatabase::restart_header() {
  mx_frame_ = backfill_ = 0;
  builder_.reset();
  frames_.clear();
  has_unchained_ = false;
  salts_ = {salts_.salt1 + 1, static_cast<uint32_t>(random_.next())};
  marks_ = {0, 0, kMarkUnused, kMarkUnused, kMarkUnused};
  ++change_counter_;
}

// At the begin of a write transaction.
void SimDatabase::restart_if_possible() {
  if (backfill_ == 0 || backfill_ < mx_frame_ || readers_beyond_lock_0()) return;
  restart_header();
}

// The committed frames, or a WAL header for the first frame.
WalBuilder SimDatabase::writer_for_next_frame() {
  if (mx_frame_ > 0) return *builder_;
  // A connection that never checkpointed makes up new salts whenever it writes the header.
  WalSalts salts = salts_;
  if (salts == WalSalts() || random_.chance(2)) {
    salts = {static_cast<uint32_t>(random_.next()), static_cast<uint32_t>(random_.next())};
  }
  return WalBuilder(config_.page_size, config_.big_endian, salts.salt1, salts.salt2);
}

std::vector<SimDatabase::Frame> SimDatabase::frames_of(const SimChange& change) {
  std::set<uint32_t> pages(change.pages.begin(), change.pages.end());
  for (uint32_t pgno = page_count() + 1; pgno <= change.page_count; ++pgno) pages.insert(pgno);
  pages.erase(pages.upper_bound(change.page_count), pages.end());
  if (pages.empty()) pages.insert(change.page_count);
  std::vector<Frame> frames;
  for (const uint32_t pgno : pages) {
    // A spilled page is written again later in the same transaction.
    if (random_.chance(8)) frames.push_back({pgno, 0, next_version_++});
  }
  for (const uint32_t pgno : pages) frames.push_back({pgno, 0, next_version_++});
  frames.back().commit = change.page_count;
  return frames;
}

void SimDatabase::add(WalBuilder& builder, const Frame& frame, bool unchained) const {
  auto page = sim_page(config_.page_size, frame.pgno, frame.version);
  if (unchained) {
    builder.add_unchained_frame(frame.pgno, frame.commit, std::move(page));
  } else {
    builder.add_frame(frame.pgno, frame.commit, std::move(page));
  }
}

// Frame 1 brings the header with it, which is synced at once.
void SimDatabase::write_wal(const WalBuilder& builder, uint32_t first_frame) {
  const auto& bytes = builder.bytes();
  const auto put = [&](size_t from, size_t to) {
    if (wal_file_.size() < to) wal_file_.resize(to, 0);
    std::copy(bytes.begin() + static_cast<ptrdiff_t>(from),
              bytes.begin() + static_cast<ptrdiff_t>(to),
              wal_file_.begin() + static_cast<ptrdiff_t>(from));
    dirty_from_ = std::min(dirty_from_, from);
  };
  if (first_frame == 1) {
    put(0, kWalHeaderBytes);
    sync_wal();
  }
  put(frame_end(first_frame - 1), bytes.size());
  if (config_.synchronous_full) sync_wal();
}

void SimDatabase::sync_wal() {
  if (dirty_from_ == SIZE_MAX) return;
  const auto from = static_cast<ptrdiff_t>(std::min(dirty_from_, wal_durable_.size()));
  wal_durable_.resize(wal_file_.size());
  std::copy(wal_file_.begin() + from, wal_file_.end(), wal_durable_.begin() + from);
  dirty_from_ = SIZE_MAX;
}

void SimDatabase::commit(const SimChange& change) {
  restart_if_possible();
  WalBuilder builder = mx_frame_ > 0 ? std::move(*builder_) : writer_for_next_frame();
  const uint32_t first = mx_frame_ + 1;
  const std::vector<Frame> frames = frames_of(change);
  SimState state;
  state.image = current();
  state.image.resize(change.page_count, 0);
  for (size_t i = 0; i < frames.size(); ++i) {
    // The bug spares the first frames, written before ROLLBACK TO.
    const bool unchained = change.unchained && i * 2 >= frames.size();
    has_unchained_ |= unchained;
    add(builder, frames[i], unchained);
    frames_.push_back(frames[i]);
    state.image[frames[i].pgno - 1] = frames[i].version;
    state.touched.insert(frames[i].pgno);
  }
  write_wal(builder, first);
  salts_ = {builder.salt1(), builder.salt2()};
  mx_frame_ = builder.frame_count();
  builder_.emplace(std::move(builder));
  ++change_counter_;
  history_.push_back(std::move(state));
}

void SimDatabase::spill_and_roll_back(uint32_t frame_count) {
  restart_if_possible();
  WalBuilder builder = writer_for_next_frame();
  for (uint32_t i = 0; i < frame_count; ++i) {
    const auto pgno = static_cast<uint32_t>(random_.between(2, page_count() + 5));
    add(builder, {pgno, 0, next_version_++}, false);
  }
  write_wal(builder, mx_frame_ + 1);
}

void SimDatabase::die_before_publishing(const SimChange& change) {
  restart_if_possible();
  WalBuilder builder = writer_for_next_frame();
  for (const Frame& frame : frames_of(change)) add(builder, frame, false);
  write_wal(builder, mx_frame_ + 1);
}

}  // namespace litestream::test
