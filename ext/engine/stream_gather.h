// First pass of a database stream: visits the files of the plan newest first, decides who supplies
// which page, and keeps the winners of all but the oldest file aside. Internal to database_stream.
//
// Workers fetch several files at a time; decisions are made in the plan's order, by turns.
// Threading: as GangWork.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "ext/engine/stream_state.h"
#include "ext/engine/worker_gang.h"
#include "ext/ltx/decoder.h"

namespace litestream {

class GatherWork final : public GangWork {
 public:
  explicit GatherWork(std::shared_ptr<StreamState> state)
      : state_(std::move(state)), next_(state_->plan.files.size()) {}
  void work(int number) override;
  void stop() override;

 private:
  // Neighbours in the plan, so that many small files cost few hand-overs. Newest first.
  struct Ticket {
    uint64_t turn = 0;
    size_t begin = 0, end = 0;  // files end-1 down to begin
    bool stands = false;        // its only file stays where it is
  };
  struct Tools {
    std::optional<FramePool::Writer> pool;  // none: pages go to the sink as they come
    PageDecompressor decompressor;
    FrameReader frames;
    std::vector<uint8_t> page;
    std::vector<uint8_t> frame;
    std::vector<PageIndexEntry> batch;
    RawBuffer files;  // of the ticket at hand: memory is not asked for anew for each file
    Checksum checksum = kChecksumFlag;
  };
  std::optional<Ticket> take_ticket();
  bool may_stand(size_t index) const;
  Status fetch(PlanFile* file, bool stands);
  Status handle(const Ticket& ticket, Tools* tools);
  Status decide_in_turn(const Ticket& ticket, std::vector<PlanFile>* files);
  Status decide(PlanFile* file);
  Status deliver(PlanFile file, bool stands, Tools* tools);
  Status deliver_indexed(PlanFile* file, Tools* tools);
  Status deliver_whole(PlanFile* file, Tools* tools);
  Status flush_batch(PlanFile* file, Tools* tools);
  Status take_frame(const PageIndexEntry& entry, Bytes frame, Tools* tools);
  Status take_page(const LtxPageView& view, Tools* tools);
  void fail(const Status& status, size_t index);

  const std::shared_ptr<StreamState> state_;
  std::mutex mutex_;
  std::condition_variable turned_;
  size_t next_;                // files below it have no ticket yet
  uint64_t tickets_ = 0;       // given out
  uint64_t turn_ = 0;          // whose decisions come next
  size_t standing_count_ = 0;  // files that may become state_->standing
  bool complete_ = false;      // older files have nothing to add
};

}  // namespace litestream
