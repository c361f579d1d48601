// Our signer against the examples that AWS publishes: Amazon S3 API reference ("Signature
// Calculations for the Authorization Header") and the Signature Version 4 test suite.
#include "ext/store/s3_signing.h"

#include <catch2/catch.hpp>

#include "ext/store/digest.h"

namespace litestream {
namespace {

const SigningKey kS3Key = {"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""};
constexpr int64_t kMay24Ms = 1369353600000;     // 2013-05-24T00:00:00Z
constexpr int64_t kAugust30Ms = 1440938160000;  // 2015-08-30T12:36:00Z

std::string hash_of(std::string_view text) { return hex_encode(sha256(as_bytes(text))); }

SigningRequest s3_request(std::string method, std::string path) {
  SigningRequest request;
  request.method = std::move(method);
  request.host = "examplebucket.s3.amazonaws.com";
  request.path = std::move(path);
  request.payload_sha256 = hash_of("");
  request.region = "us-east-1";
  request.wall_ms = kMay24Ms;
  return request;
}

// What follows "Signature=".
std::string signature_of(const SigningRequest& request, const SigningKey& key) {
  const HttpHeaders headers = sign_request(request, key);
  REQUIRE(headers.back().name == "Authorization");
  const std::string& value = headers.back().value;
  return value.substr(value.rfind('=') + 1);
}

TEST_CASE("signing: GET of a range") {
  SigningRequest request = s3_request("GET", "/test.txt");
  request.headers = {{"Range", "bytes=0-9"}};
  const HttpHeaders headers = sign_request(request, kS3Key);
  REQUIRE(headers.size() == 3);
  CHECK(headers[0].name == "X-Amz-Date");
  CHECK(headers[0].value == "20130524T000000Z");
  CHECK(headers[1].name == "X-Amz-Content-Sha256");
  CHECK(headers[1].value == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(headers[2].value ==
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
        "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST_CASE("signing: PUT of an object") {
  SigningRequest request = s3_request("PUT", "/test%24file.text");
  request.headers = {{"Date", "Fri, 24 May 2013 00:00:00 GMT"},
                     {"x-amz-storage-class", "REDUCED_REDUNDANCY"}};
  request.payload_sha256 = hash_of("Welcome to Amazon S3.");
  CHECK(request.payload_sha256 ==
        "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072");
  CHECK(signature_of(request, kS3Key) ==
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

TEST_CASE("signing: a query parameter without a value") {
  SigningRequest request = s3_request("GET", "/");
  request.query = {{"lifecycle", ""}};
  CHECK(canonical_query(request.query) == "lifecycle=");
  CHECK(signature_of(request, kS3Key) ==
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
}

TEST_CASE("signing: a list of objects, parameters in any order") {
  SigningRequest request = s3_request("GET", "/");
  request.query = {{"prefix", "J"}, {"max-keys", "2"}};
  CHECK(signature_of(request, kS3Key) ==
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

// The test suite signs for a service called "service" that has no X-Amz-Content-Sha256 header.
SigningRequest suite_request(std::string method) {
  SigningRequest request;
  request.method = std::move(method);
  request.host = "example.amazonaws.com";
  request.path = "/";
  request.payload_sha256 = hash_of("");
  request.region = "us-east-1";
  request.service = "service";
  request.sends_payload_hash = false;
  request.wall_ms = kAugust30Ms;
  return request;
}
const SigningKey kSuiteKey = {"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", ""};

TEST_CASE("signing: test suite, vanilla") {
  CHECK(signature_of(suite_request("GET"), kSuiteKey) ==
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
  CHECK(signature_of(suite_request("POST"), kSuiteKey) ==
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
}

TEST_CASE("signing: test suite, parameters sorted by name") {
  SigningRequest request = suite_request("GET");
  request.query = {{"Param2", "value2"}, {"Param1", "value1"}};
  CHECK(signature_of(request, kSuiteKey) ==
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
}

TEST_CASE("signing: test suite, spaces in header values are folded") {
  SigningRequest request = suite_request("GET");
  request.headers = {{"My-Header1", " value1"}, {"My-Header2", " \"a   b   c\""}};
  CHECK(signature_of(request, kSuiteKey) ==
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736");
}

TEST_CASE("signing: the session token is sent and signed") {
  SigningKey key = kS3Key;
  key.session_token = "token+/=";
  const HttpHeaders headers = sign_request(s3_request("GET", "/"), key);
  REQUIRE(headers.size() == 4);
  CHECK(headers[2].name == "X-Amz-Security-Token");
  CHECK(headers[2].value == "token+/=");
  CHECK(headers[3].value.find("SignedHeaders=host;x-amz-content-sha256;x-amz-date;"
                              "x-amz-security-token,") != std::string::npos);
}

TEST_CASE("signing: queries are encoded and sorted as they will be sent") {
  CHECK(canonical_query({}).empty());
  CHECK(canonical_query({{"prefix", "a b/c+d=\xC3\xA9~"}, {"delimiter", "/"}, {"a", ""}}) ==
        "a=&delimiter=%2F&prefix=a%20b%2Fc%2Bd%3D%C3%A9~");
  CHECK(canonical_query({{"b", "2"}, {"b", "1"}, {"a-b", ""}, {"a", ""}}) == "a=&a-b=&b=1&b=2");
}

TEST_CASE("digests: published vectors") {
  CHECK(hash_of("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Sha256 pieces;
  pieces.update(as_bytes("a"));
  pieces.update(as_bytes("bc"));
  CHECK(hex_encode(pieces.finish()) == hash_of("abc"));
  CHECK(hex_encode(pieces.finish()) == hash_of(""));  // started over
  CHECK(hex_encode(md5(as_bytes("abc"))) == "900150983cd24fb0d6963f7d28e17f72");
  // RFC 4231, test case 2.
  CHECK(hex_encode(hmac_sha256(as_bytes("Jefe"), as_bytes("what do ya want for nothing?"))) ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK(base64_encode(as_bytes("")) == "");
  CHECK(base64_encode(as_bytes("f")) == "Zg==");
  CHECK(base64_encode(as_bytes("fooba")) == "Zm9vYmE=");
  const auto decoded = base64_decode("Zm9vYmE=");
  REQUIRE(decoded.ok());
  CHECK(std::string(decoded->begin(), decoded->end()) == "fooba");
  for (const char* bad : {"Zg", "Zg=", "Z===", "Zg==Zg==", "Z g=", "Zm9v\n", "Z!=="}) {
    CAPTURE(bad);
    CHECK_FALSE(base64_decode(bad).ok());
  }
  CHECK(base64_decode("")->empty());
}

}  // namespace
}  // namespace litestream
