#include "ext/base/bytes.h"

#include <string>

namespace litestream {

Status read_exactly(RandomReader& reader, uint64_t offset_bytes, MutableBytes out) {
  LS_ASSIGN_OR_RETURN(const size_t got, reader.read_at(offset_bytes, out));
  if (got == out.size()) return {};
  return corrupt("short read: wanted " + std::to_string(out.size()) + " bytes at offset " +
                 std::to_string(offset_bytes) + ", got " + std::to_string(got));
}

}  // namespace litestream
