// The strict server is judged before it judges: a right request passes, and each single deviation
// is refused for its own reason. Requests are written byte by byte on a socket.
#include "tests/support/s3_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <ctime>

#include "tests/support/s3_request.h"
#include "tests/support/sigv4_check.h"
#include "tests/support/test_hash.h"

namespace litestream::test {
namespace {

// Sends bytes, returns everything that comes until the server ends or answers completely.
std::string exchange(uint16_t port, const std::string& bytes) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
          static_cast<ssize_t>(bytes.size()));
  ::shutdown(socket, SHUT_WR);
  std::string reply;
  char chunk[4096];
  for (ssize_t got = 0; (got = ::recv(socket, chunk, sizeof chunk, 0)) > 0;) {
    reply.append(chunk, static_cast<size_t>(got));
  }
  ::close(socket);
  return reply;
}

struct Draft {
  std::string method = "PUT";
  std::string target = "/bucket/dir/key";
  HeaderList headers;  // besides those every request has
  std::string body = "content";
  S3Credentials credentials;
  std::string region = "us-east-1";
  std::vector<std::string> unsigned_headers;  // sent but not signed
  int64_t clock_offset_s = 0;
  std::string payload_hash;  // "": that of the body
  bool has_length = true;
};

// A request signed by the rules, and sent.
std::string send_draft(const S3Server& server, const Draft& draft) {
  WireRequest request;
  request.method = draft.method;
  request.target = draft.target;
  const std::string hash =
      draft.payload_hash.empty() ? hex(sha256(draft.body)) : draft.payload_hash;
  const std::string date =
      format_amz_date(static_cast<int64_t>(std::time(nullptr)) + draft.clock_offset_s);
  request.headers = {
      {"Host", server.wire_authority()}, {"x-amz-content-sha256", hash}, {"x-amz-date", date}};
  if (!draft.credentials.session_token.empty()) {
    request.headers.emplace_back("x-amz-security-token", draft.credentials.session_token);
  }
  request.headers.insert(request.headers.end(), draft.headers.begin(), draft.headers.end());
  SigV4Claim claim{draft.credentials.access_key, date.substr(0, 8), draft.region, "s3", {}, ""};
  for (const auto& [name, value] : request.headers) {
    std::string lower = name;
    for (char& c : lower) c = static_cast<char>(std::tolower(c));
    const auto& skipped = draft.unsigned_headers;
    if (std::find(skipped.begin(), skipped.end(), lower) == skipped.end()) {
      claim.signed_headers.push_back(lower);
    }
  }
  std::sort(claim.signed_headers.begin(), claim.signed_headers.end());
  std::string names;
  for (const std::string& name : claim.signed_headers) names += (names.empty() ? "" : ";") + name;
  const std::string signature =
      sigv4_signature(draft.credentials.secret_key, claim, date,
                      sigv4_canonical_request(request, claim.signed_headers, hash));
  std::string bytes = draft.method + " " + draft.target + " HTTP/1.1\r\n";
  for (const auto& [name, value] : request.headers) bytes += name + ": " + value + "\r\n";
  bytes += "Authorization: AWS4-HMAC-SHA256 Credential=" + claim.access_key + "/" + claim.date +
           "/" + claim.region + "/s3/aws4_request, SignedHeaders=" + names +
           ", Signature=" + signature + "\r\n";
  if (draft.has_length) {
    bytes += "Content-Length: " + std::to_string(draft.body.size()) + "\r\n";
  }
  return exchange(server.port(), bytes + "\r\n" + draft.body);
}

std::string status_of(const std::string& reply) { return reply.substr(9, 3); }
std::string code_of(const std::string& reply) {
  const size_t at = reply.find("<Code>");
  return at == reply.npos ? "" : reply.substr(at + 6, reply.find("</Code>") - at - 6);
}

TEST_CASE("s3 server: a right request is done and counted") {
  S3Server server;
  CHECK(status_of(send_draft(server, {})) == "200");
  REQUIRE(server.object("dir/key"));
  CHECK(server.object("dir/key")->bytes() == "content");
  Draft get;
  get.method = "GET";
  get.body = "";
  get.headers = {{"Range", "bytes=2-4"}};
  const std::string reply = send_draft(server, get);
  CHECK(status_of(reply) == "206");
  CHECK(reply.substr(reply.size() - 3) == "nte");
  CHECK(reply.find("Content-Range: bytes 2-4/7") != reply.npos);
  CHECK(server.count(S3Op::kPut) == 1);
  CHECK(server.count(S3Op::kGet) == 1);
  CHECK(server.log().at(1) == "get GET /bucket/dir/key -> 206");
}

TEST_CASE("s3 server: who is not who they say is refused") {
  S3Server server;
  const auto refused = [&](const Draft& draft) { return code_of(send_draft(server, draft)); };
  Draft draft;
  draft.credentials.secret_key += "x";
  CHECK(refused(draft) == "SignatureDoesNotMatch");
  draft = {};
  draft.credentials.access_key = "NOBODY";
  CHECK(refused(draft) == "InvalidAccessKeyId");
  draft = {};
  draft.region = "eu-west-1";
  CHECK(refused(draft) == "AuthorizationHeaderMalformed");
  draft = {};
  draft.clock_offset_s = -1000;
  CHECK(refused(draft) == "RequestTimeTooSkewed");
  draft = {};
  draft.credentials.session_token = "token";
  CHECK(refused(draft) == "InvalidToken");
  CHECK(code_of(exchange(server.port(), "GET /bucket/x HTTP/1.1\r\nHost: a\r\n\r\n")) ==
        "XAmzContentSHA256Mismatch");
  CHECK(code_of(exchange(server.port(),
                         "GET /bucket/x HTTP/1.1\r\nHost: a\r\nx-amz-content-sha256: "
                         "UNSIGNED-PAYLOAD\r\n\r\n")) == "AccessDenied");
  CHECK(server.keys().empty());
  server.set_credentials({{"TESTACCESSKEYTEST", S3Credentials().secret_key, "token", true}});
  draft = {};
  draft.credentials.session_token = "token";
  CHECK(refused(draft) == "ExpiredToken");
}

TEST_CASE("s3 server: what some provider refuses is refused") {
  S3Server server;
  const auto refused = [&](const Draft& draft) { return code_of(send_draft(server, draft)); };
  Draft draft;
  draft.headers = {{"Accept-Encoding", "gzip"}};
  CHECK(refused(draft) == "SignatureDoesNotMatch");
  draft.unsigned_headers = {"accept-encoding"};
  CHECK(status_of(send_draft(server, draft)) == "200");
  draft = {};
  draft.unsigned_headers = {"x-amz-content-sha256"};
  CHECK(refused(draft) == "AccessDenied");
  draft = {};
  draft.unsigned_headers = {"host"};
  CHECK(refused(draft) == "AccessDenied");
  draft = {};
  draft.payload_hash = hex(sha256("other"));
  CHECK(refused(draft) == "XAmzContentSHA256Mismatch");
  for (const char* name :
       {"x-amz-checksum-crc32", "x-amz-sdk-checksum-algorithm", "x-amz-trailer"}) {
    draft = {};
    draft.headers = {{name, "x"}};
    CHECK(refused(draft) == "NotImplemented");
  }
  draft = {};
  draft.headers = {{"x-amz-unheard-of", "x"}};
  CHECK(refused(draft) == "InvalidArgument");
  draft = {};
  draft.headers = {{"Content-MD5", base64(md5("other"))}};
  CHECK(refused(draft) == "BadDigest");
  for (const char* target : {"/bucket/a%2fb", "/bucket/a(b", "/bucket/%41",
                             "/bucket/?list-type=2&a=1", "/bucket/?uploads", "/bucket/?a=%2f"}) {
    CAPTURE(target);
    draft = {};
    draft.target = target;
    CHECK(refused(draft) == "InvalidURI");
  }
  draft = {};
  draft.has_length = false;
  CHECK(status_of(send_draft(server, draft)) == "411");
  draft = {};
  draft.headers = {{"Transfer-Encoding", "chunked"}};
  CHECK(status_of(send_draft(server, draft)) == "501");
}

TEST_CASE("s3 server: conditions, habits and faults") {
  S3Server server;
  Draft draft;
  draft.headers = {{"If-None-Match", "*"}};
  CHECK(status_of(send_draft(server, draft)) == "200");
  CHECK(status_of(send_draft(server, draft)) == "412");
  draft.headers = {{"If-Match", "\"other\""}};
  CHECK(status_of(send_draft(server, draft)) == "412");
  draft.headers = {{"If-Match", server.object("dir/key")->etag}};
  CHECK(status_of(send_draft(server, draft)) == "200");
  S3Habits habits;
  habits.ignores_if_none_match = true;
  server.set_habits(habits);
  draft.headers = {{"If-None-Match", "*"}};
  CHECK(status_of(send_draft(server, draft)) == "200");
  server.fail_next(S3Op::kPut, s3_error(503, "SlowDown", "7"));
  const std::string slow = send_draft(server, draft);
  CHECK(status_of(slow) == "503");
  CHECK(slow.find("Retry-After: 7\r\n") != slow.npos);
  draft.body = "done, but nobody hears of it";
  S3Fault lost;
  lost.kind = S3Fault::Kind::kLoseReply;
  server.fail_next(S3Op::kPut, lost);
  CHECK(send_draft(server, draft).empty());
  CHECK(server.object("dir/key")->bytes() == draft.body);
  draft = {};
  draft.method = "GET";
  draft.body = "";
  S3Fault cut;
  cut.kind = S3Fault::Kind::kCutBody;
  cut.byte_count = 4;
  server.fail_next(S3Op::kGet, cut);
  const std::string half = send_draft(server, draft);
  CHECK(half.find("Content-Length: 28\r\n") != half.npos);
  CHECK(half.substr(half.size() - 8) == "\r\n\r\ndone");
}

}  // namespace
}  // namespace litestream::test
