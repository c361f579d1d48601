// Merges consecutive files of a replica into one file of a higher level.
//
// Before anything is written every input is read whole and verified, and the chain is checked from
// the file it continues to the last input: TXIDs, page size, chain checksums. Pages are copied as
// they are compressed. Memory: the page indexes of the inputs (kMergePagesMax entries, unless two
// files have more), 32 MiB of buffers, 64 open files.
//
// Idempotent: the output's name and bytes follow from its inputs. A crash leaves the finished file
// or nothing; what is found under its name is taken if it is sound, and replaced if it is damaged.
// Threading: thread-compatible; one merge of a replica at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "ext/base/status.h"
#include "ext/engine/compaction_plan.h"
#include "ext/engine/job_control.h"
#include "ext/engine/local_copies.h"
#include "ext/engine/merge_inputs.h"
#include "ext/ltx/encoder.h"
#include "ext/ltx/merge_plan.h"

namespace litestream {

// Index entries of all inputs of one merge together: some 20 MiB.
inline constexpr size_t kMergePagesMax = 6'000'000;

struct CompactionResult {
  LtxFileInfo file;       // what the level has now
  size_t file_count = 0;  // inputs merged; fewer than asked for if memory or the chain demands it
  uint64_t read_bytes = 0;
};

// An error that one file of the replica is to blame for names it.
struct CompactionFailure {
  Status status;
  std::optional<LtxFileInfo> culprit;
};

class Compactor {
 public:
  // `verify_output`: read each written file back and compare it with its inputs. Both must outlive
  // the object.
  Compactor(LtxStore& replica, LocalCopies& local, bool verify_output)
      : replica_(replica), local_(local), verify_output_(verify_output) {}

  // Merges the group of a plan. On failure fills `*failure` (may be null).
  // Corrupt, NotFound: an input, or the file it continues. PositionMismatch: a chain checksum or
  // page size that does not fit, or another writer's file under the name. Cancelled. Else errors of
  // the store. Nothing is visible after an error but, if its reply was lost, the finished file.
  Result<CompactionResult> merge(const CompactionGroup& group, const JobControl& control,
                                 CompactionFailure* failure);

 private:
  using Key = std::tuple<int, Txid, Txid>;
  static Key key_of(const LtxFileInfo& f) { return {f.level, f.min_txid, f.max_txid}; }

  class Run;
  Result<LtxHeader> header_of(const LtxFileInfo& file);
  void remember(const LtxFileInfo& file, const LtxHeader& header);

  LtxStore& replica_;
  LocalCopies& local_;
  const bool verify_output_;
  std::map<Key, LtxHeader> headers_;  // of files met lately, so that none is read twice
};

// Writes the merged file of `plan` through `sink`, verbatim where the input's form allows it. Sets
// `*database` (may be null) to the XOR of its pages' checksums, as of a whole database. Errors of
// reading inputs and of the sink.
Status write_merged(const MergePlan& plan, MergeInputs& inputs, LtxEncoder& encoder, ByteSink& sink,
                    const JobControl& control, Checksum* database);

// Compares a written file with what its inputs call for, by another way than the merge: newest
// input first, each page once. Reads all of them. `file_checksum` 0: any. Corrupt: it is not what
// it should be.
Status check_merged(LtxStore& replica, const LtxFileInfo& written, Checksum file_checksum,
                    MergeInputs& inputs, const CancelCheck& cancel);

}  // namespace litestream
