// Compares a compacted file with its inputs, by other means than the merge that made it.
#include <algorithm>
#include <optional>
#include <vector>

#include "ext/engine/compactor.h"
#include "ext/ltx/checksum.h"
#include "ext/ltx/decoder.h"

namespace litestream {
namespace {

constexpr uint32_t kCancelEveryPages = 256;

// What a set of pages comes to: equal digests, equal pages.
struct Digest {
  Checksum sum = kChecksumFlag;
  uint64_t page_count = 0;
  void add(Pgno pgno, Bytes page) {
    sum = toggle_page(sum, page_checksum(pgno, page));
    ++page_count;
  }
  bool operator==(const Digest&) const = default;
};

class PageBits {
 public:
  explicit PageBits(Pgno count) : bits_(count / 64 + 1) {}
  // Whether it was not in there.
  bool insert(Pgno pgno) {
    uint64_t& word = bits_[pgno / 64];
    const uint64_t bit = uint64_t{1} << (pgno % 64);
    const bool is_new = (word & bit) == 0;
    word |= bit;
    return is_new;
  }

 private:
  std::vector<uint64_t> bits_;
};

template <typename Take>
Status for_each_page(LtxDecoder& decoder, const CancelCheck& cancel, Take take) {
  for (uint32_t number = 0;; ++number) {
    if (number % kCancelEveryPages == 0 && cancel && cancel()) return cancelled("interrupted");
    LS_ASSIGN_OR_RETURN(const auto view, decoder.next());
    if (!view) return {};
    take(*view);
  }
}

// The pages that the inputs together leave: of each the newest, none that was cut off later.
Result<Digest> digest_inputs(MergeInputs& inputs, const CancelCheck& cancel) {
  Digest digest;
  std::optional<PageBits> seen;
  Pgno limit = 0;
  for (size_t i = inputs.count(); i-- > 0;) {
    LS_ASSIGN_OR_RETURN(RandomReader* const reader, inputs.reader_of(i));
    LS_ASSIGN_OR_RETURN(const auto decoder, LtxDecoder::open(*reader));
    const Pgno commit = decoder->header().commit;
    if (!seen) seen.emplace(commit);
    limit = i + 1 == inputs.count() ? commit : std::min(limit, commit);
    LS_RETURN_IF_ERROR(for_each_page(*decoder, cancel, [&](const LtxPageView& view) {
      if (view.pgno <= limit && seen->insert(view.pgno)) digest.add(view.pgno, view.page);
    }));
  }
  return digest;
}

}  // namespace

Status check_merged(LtxStore& replica, const LtxFileInfo& written, Checksum file_checksum,
                    MergeInputs& inputs, const CancelCheck& cancel) {
  LS_ASSIGN_OR_RETURN(const Digest expected, digest_inputs(inputs, cancel));
  const auto reader = replica.open(written);
  if (!reader.ok()) return reader.status().with_context(replica.path_of(written));
  const auto decoder = LtxDecoder::open(**reader);
  if (!decoder.ok()) return decoder.status().with_context(replica.path_of(written));
  Digest found;
  const Status read = for_each_page(
      **decoder, cancel, [&](const LtxPageView& view) { found.add(view.pgno, view.page); });
  if (!read.ok()) return read.with_context(replica.path_of(written));
  const bool same_file = file_checksum == 0 || (*decoder)->trailer().file_checksum == file_checksum;
  if (found == expected && same_file) return {};
  return corrupt(replica.path_of(written) + " does not hold what its inputs hold");
}

}  // namespace litestream
