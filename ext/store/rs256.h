// RS256: RSASSA-PKCS1-v1_5 with SHA-256, for tokens of service accounts. Arithmetic by nettle.
// Source: RFC 7518 section 3.3; RFC 5208 and RFC 8017 for the key's form.
// Threading: a key is immutable and may be used by several threads.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ext/base/bytes.h"
#include "ext/base/status.h"

namespace litestream {

class RsaPrivateKey {
 public:
  // PEM, "BEGIN PRIVATE KEY" (PKCS#8) or "BEGIN RSA PRIVATE KEY". InvalidArgument for anything
  // else; no message repeats any of it.
  static Result<std::unique_ptr<RsaPrivateKey>> from_pem(std::string_view pem);
  ~RsaPrivateKey();
  RsaPrivateKey(const RsaPrivateKey&) = delete;
  RsaPrivateKey& operator=(const RsaPrivateKey&) = delete;

  // As many bytes as the key has. Io: the system has no random numbers for blinding.
  Result<std::vector<uint8_t>> sign_rs256(Bytes message) const;

 private:
  struct Keys;
  explicit RsaPrivateKey(std::unique_ptr<Keys> keys);
  const std::unique_ptr<Keys> keys_;
};

}  // namespace litestream
