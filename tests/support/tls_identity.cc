#include "tests/support/tls_identity.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <stdexcept>

namespace litestream::test {
namespace {

std::string take_text(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<size_t>(size));
  BIO_free(bio);
  return text;
}

std::string private_pem(EVP_PKEY* key) {
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PKCS8PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  return take_text(bio);
}

std::string certificate_pem(X509* certificate) {
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(bio, certificate);
  return take_text(bio);
}

EVP_PKEY* new_ec_key() {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  if (key == nullptr) throw std::runtime_error("no EC key");
  return key;
}

void add_extension(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
  if (extension == nullptr) throw std::runtime_error("bad extension");
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

X509* new_certificate(EVP_PKEY* key, const char* name, long serial, TlsValidity validity) {
  constexpr long kDay = 24 * 3600;
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -2 * kDay);
  X509_gmtime_adj(X509_getm_notAfter(certificate),
                  validity == TlsValidity::kExpired ? -kDay : 30 * kDay);
  X509_set_pubkey(certificate, key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
  return certificate;
}

}  // namespace

TlsIdentity make_tls_identity(TlsValidity validity) {
  EVP_PKEY* ca_key = new_ec_key();
  X509* ca = new_certificate(ca_key, "litestream test CA", 1, TlsValidity::kNow);
  X509_set_issuer_name(ca, X509_get_subject_name(ca));
  add_extension(ca, ca, NID_basic_constraints, "critical,CA:TRUE");
  add_extension(ca, ca, NID_key_usage, "critical,keyCertSign,cRLSign");
  add_extension(ca, ca, NID_subject_key_identifier, "hash");
  X509_sign(ca, ca_key, EVP_sha256());
  EVP_PKEY* key = new_ec_key();
  X509* certificate = new_certificate(key, "litestream test server", 2, validity);
  X509_set_issuer_name(certificate, X509_get_subject_name(ca));
  add_extension(certificate, ca, NID_subject_alt_name,
                validity == TlsValidity::kOtherName ? "DNS:elsewhere.invalid"
                                                    : "DNS:localhost,DNS:*.localhost,IP:127.0.0.1");
  add_extension(certificate, ca, NID_ext_key_usage, "serverAuth");
  add_extension(certificate, ca, NID_authority_key_identifier, "keyid");
  X509_sign(certificate, ca_key, EVP_sha256());
  TlsIdentity identity{certificate_pem(ca), certificate_pem(certificate), private_pem(key)};
  X509_free(ca);
  X509_free(certificate);
  EVP_PKEY_free(ca_key);
  EVP_PKEY_free(key);
  return identity;
}

RsaKeyPair make_rsa_key_pair() {
  EVP_PKEY* key = EVP_RSA_gen(2048);
  if (key == nullptr) throw std::runtime_error("no RSA key");
  RsaKeyPair pair;
  pair.private_pem = private_pem(key);
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PUBKEY(bio, key);
  pair.public_pem = take_text(bio);
  EVP_PKEY_free(key);
  return pair;
}

}  // namespace litestream::test
