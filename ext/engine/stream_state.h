// What the workers of one database stream share; internal to database_stream.
// Threading: constant after construction unless marked; functions are thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <vector>

#include "ext/engine/database_stream.h"
#include "ext/engine/frame_pool.h"
#include "ext/engine/page_chooser.h"
#include "ext/ltx/checksum.h"
#include "ext/ltx/contents.h"
#include "ext/ltx/page_codec.h"

namespace litestream {

// The caller's sink behind a door that the watching thread can shut: a worker that was left behind
// must not reach it any more.
class StreamOutput {
 public:
  StreamOutput(PageSink* pages, BlockSink* blocks) : pages_(pages), blocks_(blocks) {}
  bool takes_blocks() const { return blocks_ != nullptr; }
  Status begin(const DatabaseShape& shape);
  Status add_page(Pgno pgno, Bytes page, Checksum checksum);
  Status write_block(Pgno first, Bytes pages);
  void shut();

 private:
  std::shared_mutex door_;
  bool shut_ = false;  // guarded by door_
  std::mutex one_page_;
  PageSink* const pages_;
  BlockSink* const blocks_;
};

// Grows without writing to what it holds.
class RawBuffer {
 public:
  MutableBytes make_room(size_t count) {
    if (count > capacity_) {
      bytes_.reset(new uint8_t[count]);
      capacity_ = count;
    }
    return {bytes_.get(), count};
  }

 private:
  std::unique_ptr<uint8_t[]> bytes_;
  size_t capacity_ = 0;
};

// The bytes of one file: small ones are fetched whole with one read, large ones on demand.
struct PlanFile {
  size_t index = 0;  // in the plan
  std::unique_ptr<RandomReader> remote;
  MutableBytes room;                    // of the caller, used if it is large enough
  RawBuffer buffer;                     // otherwise
  Bytes bytes;                          // in one of them
  std::unique_ptr<BytesReader> memory;  // over bytes; null: on demand
  LtxContents contents;
  std::vector<bool> wins;  // per index entry

  RandomReader& reader() { return memory ? static_cast<RandomReader&>(*memory) : *remote; }
};
// Fetches a file of less than kCopyChunkBytes whole unless `on_demand`. `file->remote` may be open
// already.
Status open_plan_file(LtxStore& store, const LtxFileInfo& info, bool on_demand, PlanFile* file);

// A reader that several threads may use, one at a time.
class LockedReader final : public RandomReader {
 public:
  explicit LockedReader(std::unique_ptr<RandomReader> reader) : reader_(std::move(reader)) {}
  Result<size_t> read_at(uint64_t offset_bytes, MutableBytes out) override {
    const std::lock_guard lock(mutex_);
    return reader_->read_at(offset_bytes, out);
  }
  Result<uint64_t> size_bytes() override {
    const std::lock_guard lock(mutex_);
    return reader_->size_bytes();
  }

 private:
  std::mutex mutex_;
  const std::unique_ptr<RandomReader> reader_;
};

class StreamState {
 public:
  StreamState(LtxStore& plan_store, const RestorePlan& restore_plan, PageSink* pages,
              BlockSink* blocks);

  LtxStore& store;
  const RestorePlan plan;
  StreamOutput output;
  std::unique_ptr<FramePool> pool;   // null: pages go to the sink as they come
  std::function<Status()> poll_now;  // set when there are no workers

  // First pass: in the order of turns, one worker at a time. Second pass: constant.
  PageChooser chooser;
  std::optional<PlanFile> base;  // the oldest file, if it supplies anything
  // Large files in a folder: left where they are and read in page order together with the oldest.
  std::vector<std::unique_ptr<PlanFile>> standing;
  size_t standing_count_max = 0;

  // Of the oldest file, opened in advance; guarded by the mutex of the pass at work.
  std::vector<std::unique_ptr<RandomReader>> base_readers;
  Result<std::unique_ptr<RandomReader>> open_base();

  std::atomic<uint64_t> done_bytes{0};

  // Not ok: end soon. The reason is not to be recorded.
  Status check();
  void stop() { stopped_ = true; }
  bool stopped() const { return stopped_; }
  // Records the first failure and stops. `index`: the file that `status` came up with.
  void fail(const Status& status, std::optional<size_t> index = std::nullopt);
  std::optional<StreamFailure> failure() const;
  bool sink_failed() const { return sink_failed_; }
  // An error of the sink: nobody's file is to blame.
  Status from_sink(Status status);

  // XOR of page checksums; workers merge their share.
  void add_checksum(Checksum partial);
  Checksum checksum() const;
  // What the database must come to; 0: not known. From the chain or from the last file's trailer.
  void set_expected(Checksum expected);
  Checksum expected() const;

 private:
  mutable std::mutex mutex_;
  std::optional<StreamFailure> failure_;
  Checksum checksum_ = kChecksumFlag;
  Checksum expected_ = 0;
  std::atomic<bool> stopped_{false};
  std::atomic<bool> sink_failed_{false};
};

// Frames close together are fetched with one read.
inline constexpr uint64_t kReadGapBytesMax = 32 << 10;

// Calls `take(entry, frame)` for each of `entries`, ascending and of one file.
class FrameReader {
 public:
  using Take = std::function<Status(const PageIndexEntry& entry, Bytes frame)>;
  Status read(RandomReader& reader, std::span<const PageIndexEntry> entries, const Take& take);

 private:
  RawBuffer buffer_;
};

}  // namespace litestream
