#include "ext/store/digest.h"

#include <nettle/base64.h>
#include <nettle/hmac.h>
#include <nettle/md5.h>

namespace litestream {

Sha256Digest Sha256::finish() {
  Sha256Digest digest;
  sha256_digest(&state_, digest.size(), digest.data());
  return digest;
}

Sha256Digest sha256(Bytes bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish();
}

Sha256Digest hmac_sha256(Bytes key, Bytes message) {
  hmac_sha256_ctx state;
  hmac_sha256_set_key(&state, key.size(), key.data());
  hmac_sha256_update(&state, message.size(), message.data());
  Sha256Digest digest;
  hmac_sha256_digest(&state, digest.size(), digest.data());
  return digest;
}

Md5Digest md5(Bytes bytes) {
  md5_ctx state;
  md5_init(&state);
  md5_update(&state, bytes.size(), bytes.data());
  Md5Digest digest;
  md5_digest(&state, digest.size(), digest.data());
  return digest;
}

std::string hex_encode(Bytes bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const uint8_t byte : bytes) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

std::string base64_encode(Bytes bytes) {
  std::string out(BASE64_ENCODE_RAW_LENGTH(bytes.size()), '\0');
  base64_encode_raw(out.data(), bytes.size(), bytes.data());
  return out;
}

Result<std::vector<uint8_t>> base64_decode(std::string_view text) {
  const Status bad = invalid_argument("is not base64");
  // nettle skips white space; we do not.
  if (text.size() % 4 != 0 || text.find_first_of(" \t\r\n\v\f") != std::string_view::npos) {
    return bad;
  }
  base64_decode_ctx state;
  base64_decode_init(&state);
  std::vector<uint8_t> out(BASE64_DECODE_LENGTH(text.size()) + 1);
  size_t length = out.size();
  if (base64_decode_update(&state, &length, out.data(), text.size(), text.data()) != 1 ||
      base64_decode_final(&state) != 1) {
    return bad;
  }
  out.resize(length);
  return out;
}

}  // namespace litestream
