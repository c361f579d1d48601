// Second pass of a database stream: the oldest file, other large ones in a folder and what was kept
// aside, in page order, block by block. Internal to database_stream.
//
// Taking a block is short and happens under a lock; filling, checking and writing it is not.
// Threading: as GangWork.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "ext/base/aligned_buffer.h"
#include "ext/engine/stream_state.h"
#include "ext/engine/worker_gang.h"
#include "ext/ltx/decoder.h"

namespace litestream {

class AssembleWork final : public GangWork {
 public:
  explicit AssembleWork(std::shared_ptr<StreamState> state);
  void work(int number) override;
  void stop() override { state_->stop(); }

 private:
  // A file that is read in page order.
  struct Source {
    explicit Source(PlanFile* plan_file) : file(plan_file), cursor(plan_file->contents.index) {}
    PlanFile* file;
    PageIndex::Cursor cursor;
    bool has_entry = false;  // the cursor's entry is not in a block yet
  };
  struct Block {
    Pgno first = 0, last = 0;
    std::vector<std::vector<PageIndexEntry>> entries;  // per source, to be read
    std::vector<Pgno> decoded;                         // of the oldest file, in `pages` already
    AlignedBuffer pages;                               // for an output that writes directly
    uint64_t base_bytes = 0;                           // of the oldest file
  };
  struct Tools {
    PageDecompressor decompressor;
    FrameReader frames;
    FramePool::Reader pool_reader;
    Checksum checksum = kChecksumFlag;
  };
  Status start();
  Result<RandomReader*> reader_of_worker();
  Result<bool> take(Block* block);
  static void choose_entries(Source* source, Pgno last, std::vector<PageIndexEntry>* entries);
  Status decode_entries(Block* block);
  Status finish_whole();
  Status fill(RandomReader* base_reader, Block* block, Tools* tools);
  Status fill_from_source(size_t number, RandomReader& reader, Block* block, Tools* tools);
  Status fill_from_pool(Block* block, Tools* tools);
  Status take_page(Pgno pgno, Bytes page, Tools* tools);
  Status run_blocks(Tools* tools);
  MutableBytes page_of(Block* block, Pgno pgno) const;

  const std::shared_ptr<StreamState> state_;
  const uint32_t page_size_;
  const Pgno page_count_;
  const Pgno block_pages_;

  std::mutex mutex_;
  bool started_ = false;
  std::vector<std::unique_ptr<RandomReader>> readers_;  // of the oldest file, one per worker
  std::vector<Source> sources_;                         // the oldest file first, if it is one
  Pgno next_ = 1;                                       // first page of the next block
  std::unique_ptr<LtxDecoder> decoder_;                 // of the oldest file, if it is read whole
  std::optional<LtxPageView> decoded_;                  // not in a block yet
  size_t ordinal_ = 0;                                  // of decoded_
  uint64_t decoded_bytes_ = 0;                          // of the oldest file
  bool finished_ = false;
};

}  // namespace litestream
