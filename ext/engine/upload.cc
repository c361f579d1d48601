#include "ext/engine/upload.h"

#include <algorithm>

#include "ext/base/limits.h"

namespace litestream {

Status copy_file(LtxStore& from, const LtxFileInfo& file, LtxStore& to, const CancelCheck& cancel) {
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
  return writer->commit();
}

Status upload_spool(LtxStore& spool, LtxStore& replica, Txid* replica_newest,
                    const CancelCheck& cancel) {
  LS_ASSIGN_OR_RETURN(const auto files, spool.list(0));
  for (const LtxFileInfo& file : files) {
    if (file.max_txid <= *replica_newest) continue;
    const Status copied = copy_file(spool, file, replica, cancel);
    if (copied.code() == StatusCode::kAlreadyExists) {
      return position_mismatch("another writer uses " + replica.url() + ": " + copied.message());
    }
    if (!copied.ok()) return copied.with_context("upload " + replica.path_of(file));
    *replica_newest = file.max_txid;
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
