#include "ext/ltx/types.h"

#include "ext/base/hex.h"

namespace litestream {

namespace {

constexpr size_t kTxidDigits = 16;

Status not_a_txid(std::string_view text) {
  constexpr size_t kShownBytesMax = 40;
  return invalid_argument(
      "TXIDs are hexadecimal, 16 digits, such as 0000000000000001; this is not one: \"" +
      std::string(text.substr(0, kShownBytesMax)) + "\"");
}

}  // namespace

std::string format_txid(Txid txid) {
  std::string text(kTxidDigits, '0');
  uint64_t rest = txid.value;
  for (size_t i = kTxidDigits; i-- > 0; rest >>= 4) text[i] = "0123456789abcdef"[rest & 15];
  return text;
}

Result<Txid> parse_txid(std::string_view text) {
  if (text.size() != kTxidDigits) return not_a_txid(text);
  uint64_t value = 0;
  for (const char c : text) {
    const int digit = hex_value(c);
    if (digit < 0) return not_a_txid(text);
    value = value << 4 | static_cast<uint64_t>(digit);
  }
  if (value == 0) return not_a_txid(text);
  return Txid{value};
}

}  // namespace litestream
