#include "ext/ltx/file_name.h"

namespace litestream {

std::string format_ltx_file_name(TxidRange range) {
  return format_txid(range.min_txid) + "-" + format_txid(range.max_txid) + ".ltx";
}

Result<TxidRange> parse_ltx_file_name(std::string_view name) {
  constexpr size_t kNameBytes = 16 + 1 + 16 + 4;
  const Status not_a_name = invalid_argument("not the name of an LTX file");
  if (name.size() != kNameBytes) return not_a_name;
  const Result<Txid> min_txid = parse_txid(name.substr(0, 16));
  const Result<Txid> max_txid = parse_txid(name.substr(17, 16));
  if (!min_txid.ok() || !max_txid.ok() || *min_txid > *max_txid) return not_a_name;
  const TxidRange range{*min_txid, *max_txid};
  if (format_ltx_file_name(range) != name) return not_a_name;
  return range;
}

}  // namespace litestream
