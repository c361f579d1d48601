// The input files of one merge: where each is read from, whether it is sound, what its index says;
// and during the merge a bounded number of open readers.
//
// A local copy is preferred if it is sound and the file we are looking for; else the replica's file
// is read. Small files are kept in memory, kResidentBytesMax together, so that each is read once.
// Threading: thread-compatible.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <vector>

#include "ext/engine/local_copies.h"
#include "ext/engine/snapshot_pages.h"
#include "ext/ltx/contents.h"
#include "ext/ltx/merger.h"
#include "ext/ltx/sequential_reader.h"
#include "ext/store/ltx_store.h"

namespace litestream {

class MergeInputs final : public MergeReaders {
 public:
  static constexpr uint64_t kResidentBytesMax = 16 << 20;
  static constexpr uint64_t kResidentFileBytesMax = 1 << 20;

  // All must outlive the object.
  MergeInputs(LtxStore& replica, LocalCopies& local, const CancelCheck& cancel)
      : replica_(replica), local_(local), cancel_(cancel) {}

  enum class Check {
    kWhole,  // every byte, against the file checksum
    kIndex,  // header, index and trailer only
  };
  // Adds the next input and returns what it holds. Corrupt, NotFound (the file is to blame:
  // `*culprit`, which may be null, gets it) and other errors of reading the replica, with the
  // file's path; Cancelled.
  Result<LtxContents> add(const LtxFileInfo& file, Check check,
                          std::optional<LtxFileInfo>* culprit = nullptr);
  // Forgets the input that was added last.
  void drop_last();
  size_t count() const { return inputs_.size(); }
  const LtxFileInfo& file(size_t number) const { return inputs_[number]->file; }
  // An input comes over the network.
  bool has_remote() const { return has_remote_; }

  // At most kFilesOpenMax are open at a time.
  Result<RandomReader*> reader_of(size_t number) override;
  // Reads one input whole. Corrupt and others, with its path.
  Status verify(size_t number);

 private:
  struct Input {
    LtxFileInfo file;
    LtxStore* source = nullptr;
    std::vector<uint8_t> bytes;  // of a resident file
    std::unique_ptr<BytesReader> resident;
    std::unique_ptr<RandomReader> reader;  // open
    std::list<size_t>::iterator used;      // its place in open_
  };
  Result<LtxContents> add_input(const LtxFileInfo& file, Check check);
  Result<LtxContents> examine(Input* input, Check check);
  Status make_resident(Input* input, RandomReader& reader);
  Status copy_to_local(Input* input, RandomReader& reader);
  Status read_whole(RandomReader& reader) const;

  LtxStore& replica_;
  LocalCopies& local_;
  const CancelCheck& cancel_;
  std::vector<std::unique_ptr<Input>> inputs_;
  std::list<size_t> open_;  // least recently used first
  uint64_t resident_bytes_ = 0;
  bool has_remote_ = false;
};

// Whether reading from it costs no network: a folder of this machine.
bool is_local_store(const LtxStore& store);

}  // namespace litestream
