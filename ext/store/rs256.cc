#include "ext/store/rs256.h"

#include <nettle/asn1.h>
#include <nettle/bignum.h>
#include <nettle/rsa.h>
#include <sys/random.h>

#include "ext/store/digest.h"

namespace litestream {
namespace {

constexpr unsigned kKeyBitsMax = 16384;
constexpr size_t kPemBytesMax = 64 << 10;

Status bad_key(const char* why) {
  return invalid_argument(std::string("the private key ") + why +
                          "; it is a PEM text that begins with -----BEGIN PRIVATE KEY-----");
}

// The bytes between the lines "BEGIN <label>" and "END <label>"; empty if there are none.
std::vector<uint8_t> decode_pem(std::string_view pem, std::string_view label) {
  const std::string begin = "-----BEGIN " + std::string(label) + "-----";
  const std::string end = "-----END " + std::string(label) + "-----";
  const size_t first = pem.find(begin);
  if (first == std::string_view::npos) return {};
  const size_t last = pem.find(end, first);
  if (last == std::string_view::npos) return {};
  std::string text;
  for (const char c : pem.substr(first + begin.size(), last - first - begin.size())) {
    if (c != '\n' && c != '\r' && c != ' ') text += c;
  }
  auto bytes = base64_decode(text);
  return bytes.ok() ? *std::move(bytes) : std::vector<uint8_t>();
}

// The RSA key inside PKCS#8: SEQUENCE { INTEGER, SEQUENCE, OCTET STRING }. Empty if it is none.
Bytes unwrap_pkcs8(Bytes der) {
  asn1_der_iterator outer;
  asn1_der_iterator inner;
  const bool is_sequence =
      asn1_der_iterator_first(&outer, der.size(), der.data()) == ASN1_ITERATOR_CONSTRUCTED &&
      outer.type == ASN1_SEQUENCE;
  if (!is_sequence || asn1_der_decode_constructed(&outer, &inner) != ASN1_ITERATOR_PRIMITIVE ||
      inner.type != ASN1_INTEGER || asn1_der_iterator_next(&inner) != ASN1_ITERATOR_CONSTRUCTED ||
      asn1_der_iterator_next(&inner) != ASN1_ITERATOR_PRIMITIVE || inner.type != ASN1_OCTETSTRING) {
    return {};
  }
  return {inner.data, inner.length};
}

struct Randomness {
  bool has_failed = false;
};

extern "C" void litestream_fill_random(void* context, size_t length, uint8_t* out) {
  auto* randomness = static_cast<Randomness*>(context);
  while (length > 0) {
    const ssize_t got = ::getrandom(out, length, 0);
    if (got <= 0) {
      randomness->has_failed = true;
      return;
    }
    out += got;
    length -= static_cast<size_t>(got);
  }
}

}  // namespace

struct RsaPrivateKey::Keys {
  rsa_public_key open;
  rsa_private_key secret;
  Keys() {
    rsa_public_key_init(&open);
    rsa_private_key_init(&secret);
  }
  ~Keys() {
    rsa_public_key_clear(&open);
    rsa_private_key_clear(&secret);
  }
  Keys(const Keys&) = delete;
  Keys& operator=(const Keys&) = delete;
};

RsaPrivateKey::RsaPrivateKey(std::unique_ptr<Keys> keys) : keys_(std::move(keys)) {}
RsaPrivateKey::~RsaPrivateKey() = default;

Result<std::unique_ptr<RsaPrivateKey>> RsaPrivateKey::from_pem(std::string_view pem) {
  if (pem.size() > kPemBytesMax) return bad_key("is too long");
  std::vector<uint8_t> der = decode_pem(pem, "RSA PRIVATE KEY");
  Bytes key = der;
  if (der.empty()) {
    der = decode_pem(pem, "PRIVATE KEY");
    key = unwrap_pkcs8(der);
  }
  if (key.empty()) return bad_key("cannot be read");
  auto keys = std::make_unique<Keys>();
  if (rsa_keypair_from_der(&keys->open, &keys->secret, kKeyBitsMax, key.size(), key.data()) != 1) {
    return bad_key("is no RSA key");
  }
  return std::unique_ptr<RsaPrivateKey>(new RsaPrivateKey(std::move(keys)));
}

Result<std::vector<uint8_t>> RsaPrivateKey::sign_rs256(Bytes message) const {
  sha256_ctx hash;
  sha256_init(&hash);
  sha256_update(&hash, message.size(), message.data());
  Randomness randomness;
  mpz_t signature;
  mpz_init(signature);
  const int is_signed = rsa_sha256_sign_tr(&keys_->open, &keys_->secret, &randomness,
                                           &litestream_fill_random, &hash, signature);
  std::vector<uint8_t> bytes(keys_->secret.size);
  if (is_signed == 1) nettle_mpz_get_str_256(bytes.size(), bytes.data(), signature);
  mpz_clear(signature);
  if (randomness.has_failed) return io_error("getrandom failed");
  if (is_signed != 1) return bad_key("cannot sign");
  return bytes;
}

}  // namespace litestream
