#include "ext/engine/restore_v3.h"

#include <algorithm>
#include <map>
#include <memory>

#include "ext/base/clock.h"
#include "ext/base/durable_file.h"
#include "ext/base/limits.h"
#include "ext/engine/restore_output.h"
#include "ext/ltx/lz4_frame_reader.h"
#include "ext/wal/wal_reader.h"

namespace litestream {
namespace {

constexpr size_t kDatabaseHeaderBytes = 100;
constexpr std::string_view kDatabaseMagic{"SQLite format 3\0", 16};

std::string generation_file(const V3File& file) {
  return "generations/" + file.generation + (file.is_snapshot ? "/snapshots/" : "/wal/") +
         file.name;
}

bool is_within(const V3File& file, const V3Target& target) {
  return !target.time_ms || file.created_at_ms <= *target.time_ms;
}

std::string index_text(uint32_t index) { return "WAL " + std::to_string(index); }

Status nothing_before(const GenerationInfo& generation, const V3Target& target) {
  return not_found("generation " + generation.generation + " has no snapshot at or before " +
                   format_rfc3339_ms(*target.time_ms) + "; its first file was stored at " +
                   format_rfc3339_ms(generation.created_at_ms));
}

// The generation that says most about the target.
Result<GenerationInfo> choose_generation(LtxStore& store, const V3Target& target) {
  LS_ASSIGN_OR_RETURN(const auto generations, store.list_generations());
  if (generations.empty()) return not_found("the replica holds no backup");
  std::string known;
  const GenerationInfo* best = nullptr;
  const auto reach = [&](const GenerationInfo& g) {
    return target.time_ms ? std::min(g.updated_at_ms, *target.time_ms) : g.updated_at_ms;
  };
  for (const GenerationInfo& generation : generations) {
    known += (known.empty() ? "" : ", ") + generation.generation;
    if (generation.snapshot_count == 0) continue;
    if (!target.generation.empty() && generation.generation != target.generation) continue;
    if (target.time_ms && generation.created_at_ms > *target.time_ms && target.generation.empty()) {
      continue;
    }
    const bool is_better =
        best == nullptr || reach(generation) > reach(*best) ||
        (reach(generation) == reach(*best) && generation.created_at_ms > best->created_at_ms);
    if (is_better) best = &generation;
  }
  if (best != nullptr) return *best;
  if (!target.generation.empty()) {
    return not_found("no generation '" + target.generation + "' with a snapshot; known: " + known);
  }
  if (!target.time_ms) return not_found("no generation has a snapshot; known: " + known);
  return not_found("no generation reaches back to " + format_rfc3339_ms(*target.time_ms) +
                   "; known: " + known);
}

// Segments must follow each other; whether one is as long as it should be shows when it is read.
Status check_segments(const V3Plan& plan) {
  uint32_t index = plan.snapshot.index;
  const V3File* before = nullptr;
  for (const V3File& segment : plan.segments) {
    const bool is_next_wal = before != nullptr && segment.index != index;
    if (is_next_wal) ++index;
    if (segment.index != index) {
      return corrupt("generation " + plan.generation + ": " + index_text(index) + " is missing");
    }
    if ((before == nullptr || is_next_wal) && segment.offset_bytes != 0) {
      return corrupt("generation " + plan.generation + ": the beginning of " + index_text(index) +
                     " is missing");
    }
    before = &segment;
  }
  return {};
}

class V3Restore {
 public:
  V3Restore(LtxStore& store, FileSystem& fs, const RestoreOptions& options)
      : store_(store), fs_(fs), options_(options) {}
  Result<V3RestoreResult> run(const V3Target& target, const std::string& output);

 private:
  Status check_cancelled() const;
  void report(uint64_t in_file_bytes);
  template <typename Take>
  Status decompress(const V3File& file, Take take);
  Status write_snapshot();
  Status read_shape(Bytes head);
  Status write_wals();
  Status gather_wal(const V3File* first, const V3File* end, DurableFile& wal);
  Status apply_wal(RandomReader& wal, uint64_t size_bytes);
  Status write_pages(RandomReader& wal, const std::map<Pgno, uint32_t>& frames);

  LtxStore& store_;
  FileSystem& fs_;
  const RestoreOptions& options_;
  V3Plan plan_;
  std::string path_;
  std::unique_ptr<RestoreOutput> output_;
  uint32_t page_size_ = 0;
  uint64_t size_bytes_ = 0;  // of the database
  uint64_t done_bytes_ = 0;
};

Status V3Restore::check_cancelled() const {
  if (options_.stream.cancelled && options_.stream.cancelled()) return cancelled("interrupted");
  return {};
}

void V3Restore::report(uint64_t in_file_bytes) {
  if (options_.stream.progress) {
    options_.stream.progress(std::min(done_bytes_ + in_file_bytes, plan_.size_bytes),
                             plan_.size_bytes);
  }
}

// Calls `take(offset, bytes)` for the file's content, in order.
template <typename Take>
Status V3Restore::decompress(const V3File& file, Take take) {
  LS_ASSIGN_OR_RETURN(const auto compressed, store_.open_v3(file));
  Lz4FrameReader reader(*compressed);
  std::vector<uint8_t> buffer(kCopyChunkBytes);
  for (uint64_t offset = 0;;) {
    LS_RETURN_IF_ERROR(check_cancelled());
    const auto got = reader.read(buffer);
    if (!got.ok()) return got.status().with_context(generation_file(file));
    LS_RETURN_IF_ERROR(take(offset, Bytes(buffer).first(*got)));
    offset += *got;
    report(std::min(reader.compressed_position_bytes(), file.size_bytes));
    if (*got < buffer.size()) break;
  }
  done_bytes_ += file.size_bytes;
  return {};
}

Status V3Restore::read_shape(Bytes head) {
  const bool is_database = head.size() >= kDatabaseHeaderBytes &&
                           std::equal(kDatabaseMagic.begin(), kDatabaseMagic.end(), head.begin());
  page_size_ = is_database ? load_be16(head.data() + 16) : 0;
  if (page_size_ == 1) page_size_ = kPageSizeBytesMax;
  if (is_page_size(page_size_)) return {};
  return corrupt(generation_file(plan_.snapshot) + ": not a SQLite database");
}

Status V3Restore::write_snapshot() {
  const auto take = [&](uint64_t offset, Bytes bytes) -> Status {
    if (offset == 0) LS_RETURN_IF_ERROR(read_shape(bytes));
    size_bytes_ = offset + bytes.size();
    return output_->write_at(offset, bytes);
  };
  LS_RETURN_IF_ERROR(decompress(plan_.snapshot, take));
  if (size_bytes_ % page_size_ == 0) return {};
  return corrupt(generation_file(plan_.snapshot) + ": " + std::to_string(size_bytes_) +
                 " bytes are not whole pages");
}

// Writes the segments of one WAL behind each other.
Status V3Restore::gather_wal(const V3File* first, const V3File* end, DurableFile& wal) {
  uint64_t size_bytes = 0;
  for (const V3File* segment = first; segment != end; ++segment) {
    if (segment->offset_bytes != size_bytes) {
      return corrupt(generation_file(*segment) + ": begins at " +
                     std::to_string(segment->offset_bytes) + ", the segments before it end at " +
                     std::to_string(size_bytes) + " of " + index_text(segment->index));
    }
    LS_RETURN_IF_ERROR(decompress(*segment, [&](uint64_t offset, Bytes bytes) {
      size_bytes = segment->offset_bytes + offset + bytes.size();
      return wal.write_at(segment->offset_bytes + offset, bytes);
    }));
  }
  return {};
}

Status V3Restore::write_pages(RandomReader& wal, const std::map<Pgno, uint32_t>& frames) {
  std::vector<uint8_t> page(page_size_);
  for (const auto& [pgno, frame] : frames) {
    const uint64_t offset = uint64_t{pgno - 1} * page_size_;
    if (offset >= size_bytes_) break;  // cut off by a later commit
    if (pgno % 256 == 0) LS_RETURN_IF_ERROR(check_cancelled());
    LS_RETURN_IF_ERROR(
        read_exactly(wal, wal_frame_offset(frame, page_size_) + kWalFrameHeaderBytes, page));
    LS_RETURN_IF_ERROR(output_->write_at(offset, page));
  }
  return {};
}

Status V3Restore::apply_wal(RandomReader& wal, uint64_t size_bytes) {
  if (size_bytes <= kWalHeaderBytes) return {};
  LS_ASSIGN_OR_RETURN(const WalRecovery found, find_last_commit(wal));
  if (found.header.page_size != page_size_) {
    return corrupt("page size " + std::to_string(found.header.page_size) +
                   " where the database has " + std::to_string(page_size_));
  }
  const uint32_t frame_count = found.last_commit.frame;
  const uint64_t end = wal_frame_offset(frame_count + 1, page_size_);
  if (end != size_bytes) {
    return corrupt(std::to_string(size_bytes - end) + " bytes from " + std::to_string(end) +
                   " on are no committed transactions");
  }
  std::map<Pgno, uint32_t> newest;
  LS_RETURN_IF_ERROR(scan_frame_headers(wal, page_size_, 1, frame_count,
                                        [&](uint32_t frame, const WalFrameHeader& header) {
                                          newest[header.pgno] = frame;
                                          return Status();
                                        }));
  const uint64_t size_after = uint64_t{found.page_count} * page_size_;
  if (size_after < size_bytes_) LS_RETURN_IF_ERROR(output_->truncate(size_after));
  const uint64_t size_before = size_bytes_;
  size_bytes_ = size_after;
  LS_RETURN_IF_ERROR(write_pages(wal, newest));
  // Pages that the database grew by and that nobody wrote do not exist in a WAL of SQLite's.
  const Pgno lock = lock_page(page_size_);
  for (uint64_t pgno = size_before / page_size_ + 1; pgno <= found.page_count; ++pgno) {
    if (pgno == lock || newest.contains(static_cast<Pgno>(pgno))) continue;
    return corrupt("page " + std::to_string(pgno) + " of " + std::to_string(found.page_count) +
                   " is nowhere");
  }
  return {};
}

Status V3Restore::write_wals() {
  const V3File* const all_end = plan_.segments.data() + plan_.segments.size();
  for (const V3File* first = plan_.segments.data(); first != all_end;) {
    const V3File* end = first;
    while (end != all_end && end->index == first->index) ++end;
    LS_ASSIGN_OR_RETURN(const auto file, DurableFile::create(fs_, path_));
    LS_ASSIGN_OR_RETURN(const auto reader, fs_.open_readable(file->temporary_path()));
    LS_RETURN_IF_ERROR(fs_.remove(file->temporary_path()));
    LS_RETURN_IF_ERROR(gather_wal(first, end, *file));
    LS_ASSIGN_OR_RETURN(const uint64_t size, reader->size_bytes());
    const Status applied = apply_wal(*reader, size);
    if (!applied.ok()) {
      return applied.with_context("generation " + plan_.generation + ": " +
                                  index_text(first->index));
    }
    first = end;
  }
  return {};
}

Result<V3RestoreResult> V3Restore::run(const V3Target& target, const std::string& output) {
  LS_ASSIGN_OR_RETURN(path_, prepare_output(fs_, output, options_.overwrite));
  LS_ASSIGN_OR_RETURN(plan_, plan_restore_v3(store_, target));
  LS_ASSIGN_OR_RETURN(output_, RestoreOutput::create(fs_, path_, UINT64_MAX));
  LS_RETURN_IF_ERROR(write_snapshot());
  LS_RETURN_IF_ERROR(write_wals());
  LS_RETURN_IF_ERROR(output_->truncate(size_bytes_));
  LS_RETURN_IF_ERROR(publish_output(fs_, *output_, path_, options_));
  report(0);
  return V3RestoreResult{output, std::move(plan_), size_bytes_};
}

}  // namespace

Result<V3Plan> plan_restore_v3(LtxStore& store, const V3Target& target) {
  LS_ASSIGN_OR_RETURN(const GenerationInfo generation, choose_generation(store, target));
  LS_ASSIGN_OR_RETURN(const auto files, store.list_v3(generation.generation));
  V3Plan plan;
  plan.generation = generation.generation;
  bool has_snapshot = false;
  for (const V3File& file : files) {
    if (!file.is_snapshot || !is_within(file, target)) continue;
    if (has_snapshot && file.index < plan.snapshot.index) continue;
    plan.snapshot = file;
    has_snapshot = true;
  }
  if (!has_snapshot && target.time_ms) return nothing_before(generation, target);
  if (!has_snapshot) return not_found("generation " + plan.generation + " has no snapshot");
  plan.created_at_ms = plan.snapshot.created_at_ms;
  plan.size_bytes = plan.snapshot.size_bytes;
  for (const V3File& file : files) {
    if (file.is_snapshot || file.index < plan.snapshot.index) continue;
    // What was stored after the time ends the chain; a later file with an earlier time is no way
    // around it.
    if (!is_within(file, target)) break;
    plan.segments.push_back(file);
    plan.created_at_ms = std::max(plan.created_at_ms, file.created_at_ms);
    plan.size_bytes += file.size_bytes;
  }
  LS_RETURN_IF_ERROR(check_segments(plan));
  return plan;
}

Result<V3RestoreResult> restore_v3(LtxStore& store, FileSystem& fs, const V3Target& target,
                                   const std::string& output, const RestoreOptions& options) {
  V3Restore restore(store, fs, options);
  return restore.run(target, output);
}

}  // namespace litestream
