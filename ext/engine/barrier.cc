#include "ext/engine/barrier.h"

#include <algorithm>

namespace litestream {
namespace {

// 0 at N frames, 5 ms at 4 N, 50 ms at 20 N: a short wait rarely hits the pause between two
// transactions of busy writers, a long one is only worth it when the WAL gets out of hand.
int64_t lock_wait_us(int64_t frame_count, int64_t page_count_min) {
  const int64_t n = std::max<int64_t>(page_count_min, 1);
  if (frame_count <= n) return 0;
  if (frame_count <= 4 * n) return 5'000 * (frame_count - n) / (3 * n);
  return std::min<int64_t>(50'000, 5'000 + 45'000 * (frame_count - 4 * n) / (16 * n));
}

// Capture, then advance: the mark is now where the capture ended, or beyond.
Result<Capture::Outcome> capture_and_advance(SourceDatabase& source, Capture& capture,
                                             bool* advanced) {
  LS_ASSIGN_OR_RETURN(auto outcome, capture.run());
  *advanced = capture.may_advance();
  if (*advanced) LS_RETURN_IF_ERROR(source.advance());
  return outcome;
}

// Steps 4 to 6, with the write lock held by relief.
Result<BarrierOutcome> finish_locked(SourceDatabase& source, Capture& capture) {
  LS_ASSIGN_OR_RETURN(const auto tail, capture.run());
  (void)tail;
  if (!capture.may_advance()) return BarrierOutcome::kFileFirst;
  const auto rest = source.guard_checkpoint_and_renew();
  // The guard has let go of its mark and may not have a new one, so frames can be reset away
  // unseen: never to be taken for a mere Busy.
  if (!rest.ok()) return position_mismatch("the mark was lost: " + rest.status().message());
  return rest->complete() ? BarrierOutcome::kDone : BarrierOutcome::kReaderInWay;
}

}  // namespace

Result<BarrierOutcome> park(SourceDatabase& source, Capture& capture) {
  bool advanced = false;
  LS_ASSIGN_OR_RETURN(const auto before, capture_and_advance(source, capture, &advanced));
  if (!advanced) return BarrierOutcome::kFileFirst;
  if (before.index.mx_frame == 0) return BarrierOutcome::kDone;
  LS_ASSIGN_OR_RETURN(const CheckpointOutcome checkpoint, source.relief_checkpoint());
  if (!checkpoint.ran) return BarrierOutcome::kReaderInWay;
  // Reached our mark? It is at least what the capture before the advance had seen.
  const int64_t mark = before.index.mx_frame;
  const bool same_wal = checkpoint.log_frame_count >= mark;
  if (same_wal && checkpoint.checkpointed_frame_count < mark) return BarrierOutcome::kReaderInWay;
  LS_ASSIGN_OR_RETURN(const auto after, capture_and_advance(source, capture, &advanced));
  if (!advanced) return BarrierOutcome::kFileFirst;
  if (after.commit_count == 0 && after.index.backfill_count == after.index.mx_frame) {
    return BarrierOutcome::kDone;
  }
  return BarrierOutcome::kWriterInWay;
}

Result<BarrierOutcome> run_barrier(SourceDatabase& source, Capture& capture, int64_t page_count_min,
                                   int64_t lock_from_count) {
  source.start_wal_writeback();  // the disk works while the last frames are captured
  LS_ASSIGN_OR_RETURN(const BarrierOutcome first, park(source, capture));
  if (first != BarrierOutcome::kWriterInWay) return first;
  LS_ASSIGN_OR_RETURN(const WalIndex index, source.read_index());
  if (index.mx_frame < lock_from_count) return BarrierOutcome::kWriterInWay;
  LS_ASSIGN_OR_RETURN(const bool locked,
                      source.relief_lock_writes(lock_wait_us(index.mx_frame, page_count_min)));
  if (!locked) return BarrierOutcome::kWriterInWay;
  auto outcome = finish_locked(source, capture);
  const Status unlocked = source.relief_unlock_writes();
  if (!unlocked.ok()) return unlocked;
  return outcome;
}

}  // namespace litestream
