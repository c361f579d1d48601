// What reading and listing must survive (FAULTS.md F1, F3, F4, F5, F7): the whole truth or an
// error, never part of it.
#include <atomic>
#include <catch2/catch.hpp>

#include "tests/support/prng.h"
#include "tests/support/s3_fixture.h"
#include "tests/support/store_contract.h"

namespace litestream {
namespace {

using test::S3Fault;
using test::S3Op;
using test::S3Opening;
using test::S3Request;
using test::S3Server;

constexpr int64_t kTimeMs = 1767413106789;

LtxFileInfo file_of(uint64_t txid, int level = 0) {
  return {level, Txid{txid}, Txid{txid}, 0, kTimeMs};
}

void fill(S3Server& server, uint64_t count) {
  for (uint64_t txid = 1; txid <= count; ++txid) server.put(test::s3_key(0, txid, txid), "x");
}

S3Fault fault_of(S3Fault::Kind kind, size_t byte_count = 0) {
  S3Fault fault;
  fault.kind = kind;
  fault.byte_count = byte_count;
  return fault;
}

TEST_CASE("s3 list: 5000 objects, complete, in five requests") {
  S3Server server;
  fill(server, 5000);
  server.put("app/0000/notes.txt", "x");
  server.put("app/0001/0000000000000001-0000000000000001.ltx", "x");
  server.put("application/0000/0000000000000001-0000000000000001.ltx", "x");
  const auto store = test::open_s3(server);
  const auto files = store->list(0);
  REQUIRE(files.ok());
  REQUIRE(files->size() == 5000);
  for (uint64_t i = 0; i < 5000; ++i) REQUIRE(files->at(i).min_txid == Txid{i + 1});
  CHECK(server.count(S3Op::kList) == 6);
}

TEST_CASE("s3 list: an error on any page is an error, or is overcome") {
  S3Server server;
  fill(server, 2500);
  test::VirtualTime time;
  S3Opening opening;
  opening.time = &time;
  const auto store = test::open_s3(server, opening);
  // Page 2 fails for ever.
  server.set_fault([](const S3Request& request) -> std::optional<S3Fault> {
    if (request.query.count("continuation-token") == 0) return std::nullopt;
    return test::s3_error(503, "SlowDown");
  });
  CHECK(store->list(0).status().code() == StatusCode::kUnavailable);
  server.set_fault([](const S3Request& request) -> std::optional<S3Fault> {
    if (request.query.count("continuation-token") == 0) return std::nullopt;
    return test::s3_error(403, "AccessDenied");
  });
  CHECK(store->list(0).status().code() == StatusCode::kIo);
  // An error document under a 200.
  server.set_fault([](const S3Request& request) -> std::optional<S3Fault> {
    if (request.query.count("continuation-token") == 0) return std::nullopt;
    S3Fault fault = test::s3_error(200, "AccessDenied");
    fault.kind = S3Fault::Kind::kError200;
    return fault;
  });
  CHECK_FALSE(store->list(0).ok());
  // Page 2 arrives cut short, then is lost, then answers with an internal error, then is fine.
  std::atomic<int> attempt{0};
  server.set_fault([&](const S3Request& request) -> std::optional<S3Fault> {
    if (request.query.count("continuation-token") == 0) return std::nullopt;
    switch (++attempt) {
      case 1: return fault_of(S3Fault::Kind::kCutBody, 5000);
      case 2: return fault_of(S3Fault::Kind::kLoseReply);
      case 3: return test::s3_error(500, "InternalError");
      default: return std::nullopt;
    }
  });
  CHECK(store->list(0).value().size() == 2500);
}

TEST_CASE("s3 list: a document that ends early or lies is an error") {
  S3Server server;
  fill(server, 20);
  const auto store = test::open_s3(server);
  // As if a proxy had cut it: the length is right, the rest is missing.
  for (const size_t byte_count : {size_t{0}, size_t{10}, size_t{500}, size_t{2000}}) {
    CAPTURE(byte_count);
    server.fail_next(S3Op::kList, fault_of(S3Fault::Kind::kShortBody, byte_count));
    const auto files = store->list(0);
    CHECK(files.status().code() == StatusCode::kCorrupt);
  }
  for (const char* body :
       {"", "<html>sign in</html>", "{}", "<ListBucketResult></ListBucketResult>",
        "<ListBucketResult><IsTruncated>maybe</IsTruncated></ListBucketResult>",
        "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>app/0000/x</Key>"
        "<Size>-1</Size></Contents></ListBucketResult>"}) {
    CAPTURE(body);
    S3Fault fault = fault_of(S3Fault::Kind::kRaw);
    fault.code = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(std::strlen(body)) +
                 "\r\nConnection: close\r\n\r\n" + body;
    server.fail_next(S3Op::kList, fault);
    CHECK_FALSE(store->list(0).ok());
  }
  CHECK(store->list(0).value().size() == 20);
}

TEST_CASE("s3 list: tokens that go in circles end in an error, lost ones are done without") {
  test::S3Options options;
  options.habits.repeats_token = true;
  S3Server circles(options);
  fill(circles, 2500);
  CHECK(test::open_s3(circles)->list(0).status().code() == StatusCode::kCorrupt);
  CHECK(circles.count(S3Op::kList) <= 4);
  options.habits = {};
  options.habits.loses_token = true;
  S3Server loses(options);
  fill(loses, 2500);
  CHECK(test::open_s3(loses)->list(0).value().size() == 2500);
}

TEST_CASE("s3 list: an object is missing for a while and then there") {
  test::S3Options options;
  options.habits.new_object_hidden_lists = 2;
  S3Server server(options);
  const auto store = test::open_s3(server);
  REQUIRE(test::put_file(*store, file_of(1), "x").ok());
  CHECK(store->list(0).value().empty());
  // Late listings do not make a second upload of it go wrong.
  CHECK(test::put_file(*store, file_of(1), "x").ok());
  CHECK(test::put_file(*store, file_of(1), "y").code() == StatusCode::kAlreadyExists);
  CHECK(store->list(0).value().empty());
  CHECK(store->list(0).value().size() == 1);
}

TEST_CASE("s3 read: listed but not found yet") {
  test::S3Options options;
  options.habits.new_object_hidden_gets = 4;
  S3Server server(options);
  test::VirtualTime time;
  S3Opening opening;
  opening.time = &time;
  const auto store = test::open_s3(server, opening);
  REQUIRE(test::put_file(*store, file_of(1), "the bytes").ok());
  const auto files = store->list(0);
  REQUIRE(files->size() == 1);
  CHECK(test::get_file(*store, files->at(0)).value() == "the bytes");
  CHECK(time.passed_ms() > 0);
  CHECK(time.passed_ms() < 10'000);
  // One that stays away is NotFound after a while.
  server.erase(test::s3_key(0, 1, 1));
  CHECK(test::get_file(*store, files->at(0)).status().code() == StatusCode::kNotFound);
}

// A file of `size` bytes, read while `hook` does to every GET what it wants.
void check_read(size_t size, const S3Server::FaultHook& hook, bool is_tls = false) {
  test::S3Options options;
  options.is_tls = is_tls;
  S3Server server(options);
  test::VirtualTime time;
  S3Opening opening;
  opening.time = &time;
  opening.policy.attempts_max = 4;
  if (is_tls) opening.query = "&skip-verify=true";
  const auto store = test::open_s3(server, opening);
  const std::string content = test::Prng(size).bytes(size);
  server.put(test::s3_key(9, 1, 7), content);
  server.set_fault(hook);
  const LtxFileInfo file{9, Txid{1}, Txid{7}, size, kTimeMs};
  const auto got = test::get_file(*store, file, 100'000);
  INFO(got.status().message());
  REQUIRE(got.ok());
  REQUIRE(*got == content);
}

TEST_CASE("s3 read: the connection ends every 64 KiB") {
  const auto cut = [](const S3Request& request) -> std::optional<S3Fault> {
    if (request.op != S3Op::kGet) return std::nullopt;
    return fault_of(S3Fault::Kind::kCutBody, 64 << 10);
  };
  check_read(20 << 20, cut);
  check_read(3 << 20, cut, true);
}

TEST_CASE("s3 read: faults between good answers") {
  const auto seldom = [](S3Fault fault) {
    return [fault](const S3Request& request) -> std::optional<S3Fault> {
      if (request.op != S3Op::kGet || request.op_number % 3 != 0) return std::nullopt;
      return fault;
    };
  };
  check_read(5 << 20, seldom(fault_of(S3Fault::Kind::kLoseRequest)));
  check_read(5 << 20, seldom(fault_of(S3Fault::Kind::kLoseReply)));
  check_read(5 << 20, seldom(fault_of(S3Fault::Kind::kCutBody, 0)));
  check_read(5 << 20, seldom(fault_of(S3Fault::Kind::kCutBody, 1)));
  check_read(5 << 20, seldom(test::s3_error(500, "InternalError")));
  check_read(5 << 20, seldom(test::s3_error(503, "SlowDown", "1")));
  check_read(5 << 20, seldom(test::s3_error(429, "TooManyRequests")));
}

TEST_CASE("s3 read: a short body under a good status is noticed") {
  S3Server server;
  test::VirtualTime time;
  S3Opening opening;
  opening.time = &time;
  const auto store = test::open_s3(server, opening);
  server.put(test::s3_key(0, 1, 1), std::string(100'000, 'x'));
  server.set_fault([](const S3Request&) { return fault_of(S3Fault::Kind::kShortBody, 99'999); });
  const auto got = test::get_file(*store, file_of(1));
  CHECK_FALSE(got.ok());
  CHECK(got.status().code() != StatusCode::kNotFound);
}

TEST_CASE("s3 read: retries are bounded, then there is an error") {
  S3Server server;
  test::VirtualTime time;
  S3Opening opening;
  opening.time = &time;
  const auto store = test::open_s3(server, opening);
  server.put(test::s3_key(0, 1, 1), std::string(100'000, 'x'));
  server.set_fault([](const S3Request&) { return fault_of(S3Fault::Kind::kLoseReply); });
  CHECK(test::get_file(*store, file_of(1)).status().code() == StatusCode::kUnavailable);
  CHECK(server.count(S3Op::kGet) >= 3);
  CHECK(server.count(S3Op::kGet) <= 20);
  CHECK(time.passed_ms() <= 120'000);
}

TEST_CASE("s3 read: a store that ignores ranges is read correctly all the same") {
  test::S3Options options;
  options.habits.ignores_range = true;
  S3Server server(options);
  const auto store = test::open_s3(server);
  const std::string content = test::Prng(3).bytes(400'000);
  server.put(test::s3_key(0, 1, 1), content);
  CHECK(test::get_file(*store, file_of(1), 50'000).value() == content);
}

TEST_CASE("s3 read: two objects that had one name are never mixed") {
  S3Server server;
  const auto store = test::open_s3(server);
  server.put(test::s3_key(0, 1, 1), std::string(10 << 20, 'a'));
  const auto reader = store->open(file_of(1));
  REQUIRE(reader.ok());
  std::string bytes(1 << 20, '?');
  const MutableBytes out(reinterpret_cast<uint8_t*>(bytes.data()), bytes.size());
  REQUIRE((*reader)->read_at(0, out).value() == bytes.size());
  server.put(test::s3_key(0, 1, 1), std::string(10 << 20, 'b'));
  const auto later = (*reader)->read_at(9 << 20, out);
  CHECK_FALSE(later.ok());
  CHECK(bytes == std::string(1 << 20, 'a'));
}

TEST_CASE("s3 read: empty and tiny objects") {
  S3Server server;
  const auto store = test::open_s3(server);
  server.put(test::s3_key(0, 1, 1), "");
  server.put(test::s3_key(0, 2, 2), "x");
  CHECK(test::get_file(*store, file_of(1)).value().empty());
  CHECK(test::get_file(*store, file_of(2)).value() == "x");
  CHECK(store->open(file_of(1)).value()->size_bytes().value() == 0);
  uint8_t byte = 0;
  CHECK(store->open(file_of(2)).value()->read_at(1'000'000, MutableBytes(&byte, 1)).value() == 0);
}

TEST_CASE("s3: who accepts and never answers costs a bounded wait") {
  S3Server server;
  test::VirtualTime time;
  S3Opening opening;
  opening.time = &time;
  opening.policy.attempts_max = 2;
  opening.limits.connect_ms = 50;
  opening.limits.first_byte_ms = 50;
  opening.limits.stall_ms = 50;
  const auto store = test::open_s3(server, opening);
  server.put(test::s3_key(0, 1, 1), std::string(1000, 'x'));
  server.set_fault([](const S3Request&) { return fault_of(S3Fault::Kind::kHang); });
  CHECK(store->list(0).status().code() == StatusCode::kUnavailable);
  CHECK(test::put_file(*store, file_of(2), "x").code() == StatusCode::kUnavailable);
  CHECK(test::get_file(*store, file_of(1)).status().code() == StatusCode::kUnavailable);
  Status why;
  const std::vector<LtxFileInfo> files = {file_of(1)};
  const auto remaining = store->remove(files, &why);
  CHECK(remaining.value() == files);
  CHECK(why.code() == StatusCode::kUnavailable);
  server.set_fault([](const S3Request&) { return fault_of(S3Fault::Kind::kStallBody, 10); });
  CHECK(test::get_file(*store, file_of(1)).status().code() == StatusCode::kUnavailable);
  server.set_fault(nullptr);
  CHECK(test::get_file(*store, file_of(1)).value() == std::string(1000, 'x'));
}

}  // namespace
}  // namespace litestream
