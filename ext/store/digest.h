// The digests and encodings that remote stores ask for. Arithmetic by nettle.
// Threading: pure functions; a Sha256 belongs to one thread at a time.
#pragma once

#include <nettle/sha2.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ext/base/bytes.h"
#include "ext/base/status.h"

namespace litestream {

using Sha256Digest = std::array<uint8_t, 32>;
using Md5Digest = std::array<uint8_t, 16>;

// SHA-256 over bytes that come in pieces.
class Sha256 {
 public:
  Sha256() { sha256_init(&state_); }
  void update(Bytes bytes) { sha256_update(&state_, bytes.size(), bytes.data()); }
  Sha256Digest finish();  // and starts over

 private:
  sha256_ctx state_;
};

Sha256Digest sha256(Bytes bytes);
Sha256Digest hmac_sha256(Bytes key, Bytes message);
Md5Digest md5(Bytes bytes);

std::string hex_encode(Bytes bytes);     // lower case
std::string base64_encode(Bytes bytes);  // RFC 4648, padded
// InvalidArgument unless `text` is padded base64 and nothing else.
Result<std::vector<uint8_t>> base64_decode(std::string_view text);

}  // namespace litestream
