// Hashes and encodings of tests, over OpenSSL: the code under test uses another library.
// Threading: pure functions.
#pragma once

#include <string>
#include <string_view>

namespace litestream::test {

std::string sha256(std::string_view bytes);  // 32 bytes
std::string md5(std::string_view bytes);     // 16 bytes
std::string hmac_sha256(std::string_view key, std::string_view bytes);
std::string hex(std::string_view bytes);  // lower case
std::string base64(std::string_view bytes);
std::string from_base64(std::string_view text);      // "" if it is none
std::string from_base64_url(std::string_view text);  // without padding; "" if it is none
// Whether `signature` is RSASSA-PKCS1-v1_5 with SHA-256 over `bytes` by the owner of the key.
bool verify_rs256(std::string_view public_pem, std::string_view bytes, std::string_view signature);

}  // namespace litestream::test
