#include "ext/engine/upload.h"

#include <algorithm>

#include "ext/base/limits.h"
#include "ext/engine/start_replicas.h"
#include "ext/ltx/decoder.h"

namespace litestream {

Status copy_file(LtxStore& from, const LtxFileInfo& file, LtxStore& to, const CancelCheck& cancel,
                 SyncTurns* turns) {
  LS_ASSIGN_OR_RETURN(auto reader, from.open(file));
  LS_ASSIGN_OR_RETURN(const uint64_t size, reader->size_bytes());
  LS_ASSIGN_OR_RETURN(auto writer, to.create(file));
  std::vector<uint8_t> chunk(std::min<uint64_t>(size, kCopyChunkBytes));
  for (uint64_t at = 0; at < size; at += chunk.size()) {
    if (cancel && cancel()) return cancelled("interrupted");
    const MutableBytes part(chunk.data(), std::min<uint64_t>(chunk.size(), size - at));
    LS_RETURN_IF_ERROR(read_exactly(*reader, at, part));
    LS_RETURN_IF_ERROR(writer->append(part));
  }
  const SyncTurns::Turn turn(turns);
  return writer->commit();
}

Status replace_if_damaged(LtxStore& store, const LtxFileInfo& file,
                          const std::function<Status()>& write,
                          const std::function<Status()>& may_remove) {
  const Status written = write();
  if (written.code() != StatusCode::kAlreadyExists) return written;
  // The same TXID always holds the same pages, whatever time the header says.
  LS_ASSIGN_OR_RETURN(const auto reader, store.open(file));
  const auto summary = verify_ltx(*reader);
  if (summary.ok()) return {};
  if (summary.status().code() != StatusCode::kCorrupt) return summary.status();
  if (may_remove) LS_RETURN_IF_ERROR(may_remove());
  Status why;
  LS_ASSIGN_OR_RETURN(const auto remaining, store.remove(std::span(&file, 1), &why));
  if (!remaining.empty()) return why.with_context("remove damaged " + store.path_of(file));
  return write();
}

namespace {

// Whether `file` can follow what is there; sets run->gap if not.
Status check_base(LtxStore& spool, const LtxFileInfo& file, UploadRun* run, ChainChecksum* chain) {
  const Txid reached = std::max(run->uploaded, run->covered);
  if (file.min_txid > reached.next()) {
    run->gap = "TXIDs " + format_txid(reached.next()) + " to " +
               format_txid(Txid{file.min_txid.value - 1}) + " are not in the spool";
    return not_found(run->gap + "; a new snapshot replaces them");
  }
  LS_ASSIGN_OR_RETURN(*chain, chain_of(spool, file));
  const bool follows = file.min_txid == run->uploaded.next();
  if (!follows || run->end_checksum == 0 || !chain->known || chain->before == run->end_checksum) {
    return {};
  }
  run->gap = "TXID " + format_txid(file.min_txid) +
             " was made for another database than the replica holds under " +
             format_txid(run->uploaded);
  return not_found(run->gap + "; a new snapshot leads on");
}

}  // namespace

Status upload_spool(LtxStore& spool, LtxStore& replica, UploadRun* run) {
  LS_ASSIGN_OR_RETURN(const auto files, spool.list(0));
  for (const LtxFileInfo& file : files) {
    if (file.max_txid <= run->uploaded) continue;
    if (run->file_count >= run->file_count_max) return {};
    ChainChecksum chain;
    LS_RETURN_IF_ERROR(check_base(spool, file, run, &chain));
    if (run->lease != nullptr) LS_RETURN_IF_ERROR(run->lease->ensure());
    const Status copied = copy_file(spool, file, replica, run->cancel, run->turns);
    if (copied.code() == StatusCode::kAlreadyExists) {
      return position_mismatch("another writer uses " + replica.url() + ": " + copied.message());
    }
    if (!copied.ok()) return copied.with_context("upload " + replica.path_of(file));
    // Written after the lease had run out, it may stand beside another writer's.
    if (run->lease != nullptr) LS_RETURN_IF_ERROR(run->lease->confirm());
    run->uploaded = file.max_txid;
    ++run->file_count;
    run->byte_count += file.size_bytes;
    run->end_checksum = chain.known ? chain.after : Checksum{0};
    if (run->on_file) run->on_file(run->uploaded);
  }
  return {};
}

Result<uint64_t> trim_spool(LtxStore& spool, Txid keep_after) {
  LS_ASSIGN_OR_RETURN(auto files, spool.list(0));
  uint64_t bytes = 0;
  for (const LtxFileInfo& file : files) bytes += file.size_bytes;
  if (files.empty()) return bytes;
  files.pop_back();
  std::erase_if(files, [&](const LtxFileInfo& file) { return file.max_txid > keep_after; });
  if (files.size() > 1000) files.resize(1000);
  for (const LtxFileInfo& file : files) bytes -= file.size_bytes;
  LS_ASSIGN_OR_RETURN(const auto remaining, spool.remove(files, nullptr));
  for (const LtxFileInfo& file : remaining) bytes += file.size_bytes;
  return bytes;
}

Result<uint64_t> unsent_bytes(LtxStore& spool, Txid replica_newest) {
  LS_ASSIGN_OR_RETURN(const auto files, spool.list(0));
  uint64_t bytes = 0;
  for (const LtxFileInfo& file : files) {
    if (file.max_txid > replica_newest) bytes += file.size_bytes;
  }
  return bytes;
}

}  // namespace litestream
