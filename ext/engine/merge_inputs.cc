#include "ext/engine/merge_inputs.h"

#include <algorithm>
#include <string>
#include <utility>

#include "ext/base/limits.h"
#include "ext/ltx/decoder.h"

namespace litestream {
namespace {

constexpr uint32_t kCancelEveryPages = 256;

}  // namespace

bool is_local_store(const LtxStore& store) { return store.type() == "file"; }

Status MergeInputs::read_whole(RandomReader& reader) const {
  LS_ASSIGN_OR_RETURN(const auto decoder, LtxDecoder::open(reader));
  for (uint32_t page_number = 0;; ++page_number) {
    if (page_number % kCancelEveryPages == 0 && cancel_ && cancel_()) {
      return cancelled("interrupted");
    }
    LS_ASSIGN_OR_RETURN(const auto page, decoder->next());
    if (!page) return {};
  }
}

Status MergeInputs::make_resident(Input* input, RandomReader& reader) {
  LS_ASSIGN_OR_RETURN(const uint64_t size, reader.size_bytes());
  if (size > kResidentFileBytesMax || resident_bytes_ + size > kResidentBytesMax) return {};
  input->bytes.resize(static_cast<size_t>(size));
  LS_RETURN_IF_ERROR(read_exactly(reader, 0, input->bytes));
  input->resident = std::make_unique<BytesReader>(input->bytes);
  return {};
}

// A large remote file is fetched once; a merge would come back for its pages one by one.
Status MergeInputs::copy_to_local(Input* input, RandomReader& reader) {
  LtxFileInfo file = input->file;
  LS_ASSIGN_OR_RETURN(file.size_bytes, reader.size_bytes());
  auto writer = local_.start(file);
  if (writer == nullptr) return {};
  std::vector<uint8_t> chunk(
      static_cast<size_t>(std::min<uint64_t>(file.size_bytes, kCopyChunkBytes)));
  for (uint64_t at = 0; at < file.size_bytes; at += chunk.size()) {
    if (cancel_ && cancel_()) return cancelled("interrupted");
    const MutableBytes part =
        MutableBytes(chunk).first(std::min<uint64_t>(chunk.size(), file.size_bytes - at));
    LS_RETURN_IF_ERROR(read_exactly(reader, at, part));
    if (!writer->append(part).ok()) return {};  // no room: it is read from the replica
  }
  if (!writer->commit().ok()) return {};
  local_.keep(file);
  input->source = local_.find(file);
  return {};
}

Result<LtxContents> MergeInputs::examine(Input* input, Check check) {
  LS_ASSIGN_OR_RETURN(auto reader, input->source->open(input->file));
  LS_RETURN_IF_ERROR(make_resident(input, *reader));
  const bool is_remote = input->source == &replica_ && !is_local_store(replica_);
  if (!input->resident && is_remote) {
    LS_RETURN_IF_ERROR(copy_to_local(input, *reader));
    LS_ASSIGN_OR_RETURN(reader, input->source->open(input->file));
  }
  RandomReader& in = input->resident ? static_cast<RandomReader&>(*input->resident) : *reader;
  if (check == Check::kWhole) LS_RETURN_IF_ERROR(read_whole(in));
  LS_ASSIGN_OR_RETURN(LtxContents contents, input->resident ? read_ltx_contents(Bytes(input->bytes))
                                                            : read_ltx_contents(in));
  const LtxHeader& header = contents.header;
  if (header.min_txid != input->file.min_txid || header.max_txid != input->file.max_txid) {
    return corrupt("the header says " + format_txid(header.min_txid) + ".." +
                   format_txid(header.max_txid) + ", unlike the file name");
  }
  const bool is_other = input->source != &replica_ && input->file.size_bytes != 0 &&
                        input->file.size_bytes != contents.size_bytes;
  if (is_other) return corrupt("the local copy is another file");
  return contents;
}

Result<LtxContents> MergeInputs::add(const LtxFileInfo& file, Check check,
                                     std::optional<LtxFileInfo>* culprit) {
  auto contents = add_input(file, check);
  const StatusCode code = contents.status().code();
  const bool is_to_blame = code == StatusCode::kNotFound || code == StatusCode::kCorrupt;
  if (is_to_blame && culprit != nullptr) *culprit = file;
  return contents;
}

Result<LtxContents> MergeInputs::add_input(const LtxFileInfo& file, Check check) {
  auto input = std::make_unique<Input>();
  input->file = file;
  input->source = local_.find(file);
  Result<LtxContents> contents = not_found("no local copy");
  if (input->source != nullptr) contents = examine(input.get(), check);
  if (!contents.ok()) {
    if (contents.status().code() == StatusCode::kCancelled) return contents;
    input->source = &replica_;
    input->resident.reset();
    contents = examine(input.get(), check);
  }
  if (!contents.ok()) {
    if (contents.status().code() == StatusCode::kCancelled) return contents;
    return contents.status().with_context(replica_.path_of(file));
  }
  if (input->resident) {
    resident_bytes_ += input->bytes.size();
  } else {
    std::vector<uint8_t>().swap(input->bytes);
  }
  has_remote_ |= !input->resident && input->source == &replica_ && !is_local_store(replica_);
  inputs_.push_back(std::move(input));
  return contents;
}

void MergeInputs::drop_last() {
  if (inputs_.back()->resident) resident_bytes_ -= inputs_.back()->bytes.size();
  inputs_.pop_back();
}

Result<RandomReader*> MergeInputs::reader_of(size_t number) {
  Input& input = *inputs_[number];
  if (input.resident) return static_cast<RandomReader*>(input.resident.get());
  if (input.reader != nullptr) {
    open_.splice(open_.end(), open_, input.used);
    return input.reader.get();
  }
  if (open_.size() >= kFilesOpenMax) {
    inputs_[open_.front()]->reader.reset();
    open_.pop_front();
  }
  auto reader = input.source->open(input.file);
  if (!reader.ok()) return reader.status().with_context(input.source->path_of(input.file));
  input.reader = std::move(*reader);
  input.used = open_.insert(open_.end(), number);
  return input.reader.get();
}

Status MergeInputs::verify(size_t number) {
  LS_ASSIGN_OR_RETURN(RandomReader* const reader, reader_of(number));
  const Status status = read_whole(*reader);
  if (status.ok() || status.code() == StatusCode::kCancelled) return status;
  return status.with_context(inputs_[number]->source->path_of(inputs_[number]->file));
}

}  // namespace litestream
