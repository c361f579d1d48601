// Where requests end: the same wherever the bytes are cut, and refused where two readers could
// disagree.
#include "mcp/http_framing.h"

#include <catch2/catch.hpp>

#include "tests/support/prng.h"

namespace litestream {
namespace {

using State = HttpFraming::State;

struct Outcome {
  std::vector<std::string> bodies;
  int refusal_status = 0;
  bool operator==(const Outcome&) const = default;
};

// Feeds `bytes` in pieces of `piece` bytes and takes every whole request.
Outcome feed(const std::string& bytes, size_t piece) {
  HttpFraming framing;
  Outcome outcome;
  std::string buffer;
  for (size_t at = 0; at < bytes.size(); at += piece) {
    buffer += bytes.substr(at, piece);
    while (framing.advance(buffer) == State::kComplete) {
      const HttpFrame frame = framing.take();
      CHECK(frame.head.ends_with("\r\n\r\n"));
      outcome.bodies.push_back(frame.body_too_long ? "too long" : frame.body);
    }
    if (framing.state() == State::kRefused) {
      outcome.refusal_status = framing.refusal_status();
      break;
    }
  }
  return outcome;
}

Outcome feed_any_way(const std::string& bytes) {
  const Outcome whole = feed(bytes, bytes.size());
  for (const size_t piece : {1, 2, 3, 7, 64}) CHECK(feed(bytes, piece) == whole);
  return whole;
}

std::string post(const std::string& headers, const std::string& body) {
  return "POST / HTTP/1.1\r\nHost: localhost\r\n" + headers + "\r\n" + body;
}

TEST_CASE("framing: lengths, chunks and none, one after another") {
  const std::string bytes = post("Content-Length: 5\r\n", "hello") + "\r\n" + post("", "") +
                            post("Transfer-Encoding: chunked\r\n",
                                 "3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n") +
                            post("content-length:  0 \r\n", "") + "GET /x HTTP/1.1\r\n\r\n";
  CHECK(feed_any_way(bytes).bodies ==
        std::vector<std::string>{"hello", "", "abc0123456789", "", ""});
}

TEST_CASE("framing: what could be read two ways is refused") {
  for (const char* headers :
       {"Content-Length: 5\r\nContent-Length: 5\r\n", "Content-Length: +5\r\n",
        "Content-Length: 5, 5\r\n", "Content-Length: 0x5\r\n", "Content-Length:\r\n",
        "Content-Length: -1\r\n", "Content-Length: 9999999999999999999999\r\n",
        "Content-Length : 5\r\n", " Content-Length: 5\r\n", "X: a\r\n b\r\n", "X\r\n", ": x\r\n",
        "X: a\nContent-Length: 5\r\n", "X: a\rb\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "X\x01: y\r\n"}) {
    CAPTURE(headers);
    CHECK(feed_any_way(post(headers, "hello")).refusal_status == 400);
  }
  CHECK(feed_any_way(post(std::string("X: a\0b\r\n", 8), "")).refusal_status == 400);
  CHECK(feed_any_way("GET /\x01 HTTP/1.1\r\n\r\n").refusal_status == 400);
  for (const char* coding : {"gzip", "chunked, gzip", "identity"}) {
    CHECK(feed_any_way(post(std::string("Transfer-Encoding: ") + coding + "\r\n", ""))
              .refusal_status == 501);
  }
  CHECK(feed_any_way(post("Expect: 200-maybe\r\n", "")).refusal_status == 417);
  for (const char* body :
       {"x\r\n", "-1\r\n", "\r\n", "3\r\nabcd\r\n", "FFFFFFFFFFFFFFFFF\r\n", "1 1\r\na\r\n"}) {
    CAPTURE(body);
    CHECK(feed_any_way(post("Transfer-Encoding: chunked\r\n", body)).refusal_status == 400);
  }
}

TEST_CASE("framing: heads, headers, chunk lines and trailers are bounded") {
  CHECK(feed("GET /" + std::string(kHttpHeadBytesMax, 'a'), 4096).refusal_status == 431);
  std::string headers;
  for (size_t i = 0; i + 1 < kHttpHeaderCountMax; ++i) headers += "X: y\r\n";
  CHECK(feed(post(headers, ""), 4096).refusal_status == 0);
  CHECK(feed(post(headers + "X: y\r\n", ""), 4096).refusal_status == 431);
  const std::string chunked = post("Transfer-Encoding: chunked\r\n", "");
  CHECK(feed(chunked + "1;" + std::string(300, 'x'), 4096).refusal_status == 400);
  std::string trailers;
  while (trailers.size() < 2 * kHttpHeadBytesMax)
    trailers += "X: " + std::string(1000, 'y') + "\r\n";
  CHECK(feed(chunked + "0\r\n" + trailers, 4096).refusal_status == 431);
}

TEST_CASE("framing: a body that is too long is thrown away, a huge one refused at once") {
  const auto too_long = std::to_string(kHttpBodyBytesMax + 1);
  const std::string body(kHttpBodyBytesMax + 1, ' ');
  const std::string next = post("Content-Length: 2\r\n", "{}");
  CHECK(feed(post("Content-Length: " + too_long + "\r\n", body) + next, 65536).bodies ==
        std::vector<std::string>{"too long", "{}"});
  const std::string half(kHttpBodyBytesMax / 2 + 1, ' ');
  std::string chunks;
  for (int i = 0; i < 2; ++i) chunks += "200001\r\n" + half + "\r\n";
  CHECK(feed(post("Transfer-Encoding: chunked\r\n", chunks + "0\r\n\r\n") + next, 65536).bodies ==
        std::vector<std::string>{"too long", "{}"});
  CHECK(feed(post("Content-Length: 1000000000\r\n", ""), 4096).refusal_status == 413);
  CHECK(feed(post("Transfer-Encoding: chunked\r\n", "FFFFFFFF\r\n"), 4096).refusal_status == 413);
  HttpFraming framing;
  std::string buffer = post("Content-Length: " + too_long + "\r\n", std::string(100'000, ' '));
  framing.advance(buffer);
  CHECK(framing.held_bytes() < 1000);
}

TEST_CASE("framing: an expectation is told once, and only while the body is missing") {
  HttpFraming framing;
  std::string buffer = post("Expect: 100-continue\r\nContent-Length: 2\r\n", "");
  CHECK(framing.advance(buffer) == State::kBody);
  CHECK(framing.take_expectation());
  CHECK_FALSE(framing.take_expectation());
  buffer = "{}";
  CHECK(framing.advance(buffer) == State::kComplete);
  CHECK_FALSE(framing.take_expectation());
}

TEST_CASE("framing: random bytes never stop it, and cuts never change it") {
  auto prng = test::Prng::announced("http_framing", 7);
  const std::string whole = post("Content-Length: 5\r\nExpect: 100-continue\r\n", "hello") +
                            post("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n");
  for (int i = 0; i < 3000; ++i) {
    std::string bytes = whole;
    for (uint64_t count = prng.between(1, 3); count > 0; --count) {
      bytes[prng.below(bytes.size())] =
          prng.chance(2) ? static_cast<char>(prng.next()) : whole[prng.below(whole.size())];
    }
    CAPTURE(prng.seed(), i, bytes);
    const Outcome outcome = feed(bytes, bytes.size());
    CHECK(feed(bytes, prng.between(1, 40)) == outcome);
  }
}

}  // namespace
}  // namespace litestream
