// Keeps compressed pages of many files until their turn in page order comes: in memory up to a
// limit, beyond that in a temporary file per writer (the kernel takes one writer of a file at a
// time). The files have no name from their first byte on, so that nothing is left behind however
// the process ends. Memory goes to them in runs sorted by page, so that a range of pages is read
// back with one read per run.
//
// Memory: the limit, one buffer of kCopyChunkBytes per writer and reader, and 24 bytes per page.
// Threading: a Writer and a Reader belong to one thread each; absorb() by several threads; read()
// by several threads once nothing is added any more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "ext/base/bytes.h"
#include "ext/base/durable_file.h"
#include "ext/base/file_system.h"
#include "ext/base/status.h"
#include "ext/ltx/types.h"

namespace litestream {

class FramePool {
 public:
  // `fs` must outlive the pool. Temporary files are made beside `spill_path`. Each of
  // `writer_count` writers, 256 at most, gets its share of the memory.
  FramePool(FileSystem& fs, std::string spill_path, size_t memory_bytes_max, int writer_count);

  class Writer;
  class Reader;
  // Takes over what `writer` holds.
  void absorb(Writer* writer);
  // No more pages.
  void seal();

  using Take = std::function<Status(Pgno pgno, Bytes frame)>;
  // Every page with first <= pgno <= last, in no particular order. Errors of `take`; Io.
  Status read(Pgno first, Pgno last, Reader* reader, const Take& take) const;

 private:
  struct Place {
    const uint8_t* memory = nullptr;  // null: in a file
    uint64_t file : 8 = 0;            // which
    uint64_t offset_bytes : 56 = 0;   // there
    uint32_t size_bytes = 0;
    Pgno pgno = 0;
  };
  using Chunk = std::unique_ptr<uint8_t[]>;
  struct Spill {
    std::unique_ptr<DurableFile> writer;
    std::unique_ptr<ReadableFile> reader;
    size_t number = 0;
    uint64_t size_bytes = 0;
  };
  // Makes one; valid as long as the pool.
  Result<Spill*> add_spill();

  FileSystem& fs_;
  const std::string spill_path_;
  const size_t chunk_count_max_;  // of one writer
  std::mutex mutex_;
  std::vector<Chunk> chunks_;
  std::vector<Place> places_;
  std::vector<std::unique_ptr<Spill>> spills_;
};

class FramePool::Writer {
 public:
  // `pool` must outlive the object.
  explicit Writer(FramePool& pool) : pool_(pool) {}
  // A whole page frame, page header included. Each page once. Io: no room for the temporary file.
  Status add(Pgno pgno, Bytes frame);

 private:
  friend class FramePool;
  Status write_run();
  FramePool& pool_;
  Spill* spill_ = nullptr;
  std::vector<Chunk> chunks_;
  size_t used_bytes_ = 0;      // of memory, with what is left free at the ends of chunks
  std::vector<Place> places_;  // in the file first, then in memory
  size_t spilled_count_ = 0;
};

class FramePool::Reader {
 private:
  friend class FramePool;
  std::vector<Place> places_;
  std::vector<uint8_t> buffer_;
};

}  // namespace litestream
