// Keys and certificates for TLS servers of tests, made when asked for: a test CA, and certificates
// it signs for 127.0.0.1 and localhost.
// Threading: pure functions; each call makes new keys.
#pragma once

#include <string>

namespace litestream::test {

struct TlsIdentity {
  std::string ca_pem;           // what a client must trust
  std::string certificate_pem;  // of the server
  std::string key_pem;          // of the server
};

enum class TlsValidity { kNow, kExpired, kOtherName };

TlsIdentity make_tls_identity(TlsValidity validity = TlsValidity::kNow);

// A fresh RSA key of 2048 bits in PEM (PKCS#8), as service accounts have it, and its public part.
struct RsaKeyPair {
  std::string private_pem;
  std::string public_pem;
};
RsaKeyPair make_rsa_key_pair();

}  // namespace litestream::test
