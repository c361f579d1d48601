// Names of LTX files: "0000000000000003-0000000000000009.ltx", min_txid and max_txid.
// Threading: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "ext/base/status.h"
#include "ext/ltx/types.h"

namespace litestream {

struct TxidRange {
  Txid min_txid;
  Txid max_txid;
  bool operator==(const TxidRange&) const = default;
};

std::string format_ltx_file_name(TxidRange range);
// InvalidArgument unless `name` (no folder) is exactly what format_ltx_file_name writes, with
// 1 <= min_txid <= max_txid. Upper-case digits are refused: one range has one name.
Result<TxidRange> parse_ltx_file_name(std::string_view name);

}  // namespace litestream
