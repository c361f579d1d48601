// What writing and removing must survive (FAULTS.md A5, A6, F2, F6, F8, F9): nothing is lost, done
// twice with other content, or called gone that is there.
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <set>
#include <thread>

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
constexpr size_t kPartBytes = 5 << 20;

LtxFileInfo file_of(uint64_t txid, int level = 0) {
  return {level, Txid{txid}, Txid{txid}, 0, kTimeMs};
}

S3Fault fault_of(S3Fault::Kind kind) {
  S3Fault fault;
  fault.kind = kind;
  return fault;
}

S3Opening in_virtual_time(test::VirtualTime& time) {
  S3Opening opening;
  opening.time = &time;
  return opening;
}

TEST_CASE("s3 write: layout, metadata, one request for a small file") {
  S3Server server;
  const auto store = test::open_s3(server);
  REQUIRE(test::put_file(*store, {1, Txid{3}, Txid{10}, 0, kTimeMs}, "the bytes").ok());
  CHECK(server.request_count() == 1);
  const auto object = server.object("app/0001/0000000000000003-000000000000000a.ltx");
  REQUIRE(object);
  CHECK(object->bytes() == "the bytes");
  const std::string* time = test::find_header(object->metadata, "x-amz-meta-litestream-timestamp");
  REQUIRE(time != nullptr);
  CHECK(*time == "2026-01-03T04:05:06.789Z");
  const auto requests = server.requests(S3Op::kPut);
  CHECK(requests[0].wire.header("if-none-match") == "*");
}

TEST_CASE("s3 write: a large file goes in parts and appears at once") {
  S3Server server;
  const auto store = test::open_s3(server);
  const std::string content = test::Prng(1).bytes(2 * kPartBytes + 12345);
  const LtxFileInfo file = file_of(1, 9);
  auto writer = store->create(file);
  REQUIRE(writer.ok());
  for (size_t at = 0; at < content.size(); at += 300'000) {
    REQUIRE((*writer)->append(as_bytes(std::string_view(content).substr(at, 300'000))).ok());
    REQUIRE(server.keys().empty());
  }
  REQUIRE((*writer)->commit().ok());
  CHECK(server.count(S3Op::kUploadPart) == 3);
  CHECK(server.upload_count() == 0);
  const auto object = server.object(test::s3_key(9, 1, 1));
  REQUIRE(object);
  CHECK(object->bytes() == content);
  CHECK(test::find_header(object->metadata, "x-amz-meta-litestream-timestamp") != nullptr);
  // Exactly one part: no multipart.
  REQUIRE(test::put_file(*store, file_of(2, 9), content.substr(0, kPartBytes)).ok());
  CHECK(server.count(S3Op::kPut) == 1);
  // The same again, and other bytes.
  CHECK(test::put_file(*store, file, content).ok());
  CHECK(test::put_file(*store, file, content.substr(1)).code() == StatusCode::kAlreadyExists);
  std::string other = content;
  other[kPartBytes + 7] = static_cast<char>(other[kPartBytes + 7] ^ 1);
  CHECK(test::put_file(*store, file, other).code() == StatusCode::kAlreadyExists);
  CHECK(server.object(test::s3_key(9, 1, 1))->bytes() == content);
  CHECK(server.upload_count() == 0);
}

TEST_CASE("s3 write: an upload that is given up leaves nothing") {
  S3Server server;
  const auto store = test::open_s3(server);
  {
    auto writer = store->create(file_of(1, 9));
    REQUIRE(writer.ok());
    const std::string bytes(kPartBytes + 1, 'x');
    REQUIRE((*writer)->append(as_bytes(bytes)).ok());
    REQUIRE((*writer)->append(as_bytes(bytes)).ok());
  }
  CHECK(server.upload_count() == 0);
  CHECK(server.count(S3Op::kAbortMultipart) == 1);
  CHECK(server.keys().empty());
}

TEST_CASE("s3 write: a part that fails for good fails the upload and aborts it") {
  S3Server server;
  test::VirtualTime time;
  const auto store = test::open_s3(server, in_virtual_time(time));
  server.set_fault([](const S3Request& request) -> std::optional<S3Fault> {
    const bool is_second = request.op == S3Op::kUploadPart && request.query.at("partNumber") == "2";
    return is_second ? std::optional(test::s3_error(403, "AccessDenied")) : std::nullopt;
  });
  const std::string content(3 * kPartBytes, 'x');
  const Status status = test::put_file(*store, file_of(1, 9), content);
  CHECK(status.code() == StatusCode::kIo);
  CHECK(server.upload_count() == 0);
  CHECK(server.keys().empty());
  server.set_fault(nullptr);
  CHECK(test::put_file(*store, file_of(1, 9), content).ok());
}

TEST_CASE("s3 write: parts that fail now and then arrive") {
  S3Server server;
  test::VirtualTime time;
  const auto store = test::open_s3(server, in_virtual_time(time));
  std::atomic<int> number{0};
  server.set_fault([&](const S3Request& request) -> std::optional<S3Fault> {
    if (request.op != S3Op::kUploadPart) return std::nullopt;
    switch (number++ % 4) {
      case 0: return test::s3_error(500, "InternalError");
      case 1: return fault_of(S3Fault::Kind::kLoseReply);
      case 2: return test::s3_error(503, "SlowDown", "2");
      default: return std::nullopt;
    }
  });
  const std::string content = test::Prng(2).bytes(4 * kPartBytes);
  REQUIRE(test::put_file(*store, file_of(1, 9), content).ok());
  CHECK(server.object(test::s3_key(9, 1, 1))->bytes() == content);
}

TEST_CASE("s3 write: no more parts at once than the store bears") {
  test::S3Options options;
  options.habits.parts_at_once_max = 2;
  S3Server server(options);
  test::VirtualTime time;
  S3Opening opening = in_virtual_time(time);
  opening.query = "&concurrency=2";
  // The first part stays until the second is there too, then all of them a little.
  std::atomic<int> arrived{0};
  server.set_fault([&](const S3Request& request) -> std::optional<S3Fault> {
    if (request.op != S3Op::kUploadPart) return std::nullopt;
    ++arrived;
    for (int i = 0; i < 1000 && arrived < 2; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    return std::nullopt;
  });
  const std::string content(6 * kPartBytes, 'x');
  REQUIRE(test::put_file(*test::open_s3(server, opening), file_of(1, 9), content).ok());
  CHECK(server.parts_at_once_seen() == 2);
  for (const std::string& line : server.log()) CHECK(line.find("500") == std::string::npos);
  // With too many, what is refused is sent again until it fits.
  server.clear();
  opening = {};
  opening.query = "&concurrency=3";
  opening.policy.first_delay_ms = 20;
  REQUIRE(test::put_file(*test::open_s3(server, opening), file_of(1, 9), content).ok());
  CHECK(server.object(test::s3_key(9, 1, 1))->bytes() == content);
}

TEST_CASE("s3 write: a reply that is lost does not fail or double the write") {
  S3Server server;
  test::VirtualTime time;
  const auto store = test::open_s3(server, in_virtual_time(time));
  server.fail_next(S3Op::kPut, fault_of(S3Fault::Kind::kLoseReply));
  CHECK(test::put_file(*store, file_of(1), "the bytes").ok());
  CHECK(server.object(test::s3_key(0, 1, 1))->bytes() == "the bytes");
  const std::string large(kPartBytes + 1, 'x');
  server.fail_next(S3Op::kCreateMultipart, fault_of(S3Fault::Kind::kLoseReply));
  server.fail_next(S3Op::kUploadPart, fault_of(S3Fault::Kind::kLoseReply));
  server.fail_next(S3Op::kCompleteMultipart, fault_of(S3Fault::Kind::kLoseReply));
  const Status status = test::put_file(*store, file_of(1, 9), large);
  INFO(status.message());
  CHECK(status.ok());
  CHECK(server.object(test::s3_key(9, 1, 1))->bytes() == large);
  server.fail_next(S3Op::kDeleteMany, fault_of(S3Fault::Kind::kLoseReply));
  const std::vector<LtxFileInfo> files = {file_of(1)};
  CHECK(store->remove(files, nullptr).value().empty());
  CHECK_FALSE(server.object(test::s3_key(0, 1, 1)));
}

TEST_CASE("s3 write: an error under a 200 is an error") {
  S3Server server;
  test::VirtualTime time;
  const auto store = test::open_s3(server, in_virtual_time(time));
  S3Fault fault = test::s3_error(200, "InternalError");
  fault.kind = S3Fault::Kind::kError200;
  // The store may say so, and then do it at the second try.
  server.fail_next(S3Op::kCompleteMultipart, fault);
  const std::string large(kPartBytes + 1, 'x');
  REQUIRE(test::put_file(*store, file_of(1, 9), large).ok());
  CHECK(server.object(test::s3_key(9, 1, 1))->bytes() == large);
  fault.code = "AccessDenied";
  server.fail_next(S3Op::kCompleteMultipart, fault, 50);
  CHECK_FALSE(test::put_file(*store, file_of(2, 9), large).ok());
  CHECK_FALSE(server.object(test::s3_key(9, 2, 2)));
}

TEST_CASE("s3 remove: 2500 objects, errors for some keys, exactly what remains is told") {
  S3Server server;
  test::VirtualTime time;
  const auto store = test::open_s3(server, in_virtual_time(time));
  std::vector<LtxFileInfo> files;
  for (uint64_t txid = 1; txid <= 2500; ++txid) {
    server.put(test::s3_key(0, txid, txid), "x");
    files.push_back(file_of(txid));
  }
  // Every 100th is kept by a lock, every 70th fails once, one is not there at all.
  std::set<std::string> failed_once;
  const auto error_of = [&](const std::string& key) -> std::string {
    const uint64_t txid = std::stoull(key.substr(9, 16), nullptr, 16);
    if (txid % 100 == 0) return "AccessDenied";
    if (txid % 70 == 0 && failed_once.insert(key).second) return "InternalError";
    return "";
  };
  server.set_delete_error(error_of);
  server.erase(test::s3_key(0, 17, 17));
  std::vector<LtxFileInfo> remaining;
  for (size_t at = 0; at < files.size(); at += 1000) {
    Status why;
    const auto left = store->remove(
        std::span(files).subspan(at, std::min<size_t>(1000, files.size() - at)), &why);
    REQUIRE(left.ok());
    CHECK(why.code() == StatusCode::kIo);
    CHECK(why.message().find("AccessDenied") != std::string::npos);
    remaining.insert(remaining.end(), left->begin(), left->end());
  }
  CHECK(remaining.size() == 25);
  std::set<std::string> expected;
  for (const LtxFileInfo& file : remaining) {
    expected.insert(test::s3_key(0, file.min_txid.value, file.max_txid.value));
  }
  const auto keys = server.keys();
  CHECK(std::set<std::string>(keys.begin(), keys.end()) == expected);
  // No storm about what is denied: it is not asked for again and again.
  CHECK(server.count(S3Op::kDeleteMany) <= 9);
}

TEST_CASE("s3 remove: when everything is denied, everything remains, at the price of one request") {
  S3Server server;
  const auto store = test::open_s3(server);
  std::vector<LtxFileInfo> files;
  for (uint64_t txid = 1; txid <= 10; ++txid) {
    server.put(test::s3_key(0, txid, txid), "x");
    files.push_back(file_of(txid));
  }
  Status why;
  server.set_delete_error([](const std::string&) { return "AccessDenied"; });
  CHECK(store->remove(files, &why).value() == files);
  CHECK(why.code() == StatusCode::kIo);
  server.set_delete_error(nullptr);
  server.fail_next(S3Op::kDeleteMany, test::s3_error(403, "AccessDenied"));
  CHECK(store->remove(files, &why).value() == files);
  CHECK(why.code() == StatusCode::kIo);
  CHECK(server.count(S3Op::kDeleteMany) == 2);
  CHECK(server.keys().size() == 10);
}

TEST_CASE("s3 write: ten minutes of 503 neither lose nor reorder anything") {
  S3Server server;
  test::VirtualTime time(system_clock().wall_ms());  // the signatures must stay in time
  const auto store = test::open_s3(server, in_virtual_time(time));
  std::vector<std::string> arrived;
  std::mutex mutex;
  server.set_fault([&](const S3Request& request) -> std::optional<S3Fault> {
    if (time.passed_ms() < 600'000) {
      // What the clock of a waiting writer does not see passes too.
      time.advance_ms(20);
      return request.op_number % 2 == 0 ? test::s3_error(503, "SlowDown")
                                        : test::s3_error(503, "SlowDown", "3");
    }
    const std::lock_guard lock(mutex);
    if (request.op == S3Op::kPut) arrived.push_back(request.key);
    return std::nullopt;
  });
  // An uploader: the oldest first, again and again until it is there.
  uint64_t attempts = 0;
  for (uint64_t txid = 1; txid <= 20; ++txid) {
    while (true) {
      ++attempts;
      const Status status = test::put_file(*store, file_of(txid), "tx " + std::to_string(txid));
      if (status.ok()) break;
      REQUIRE(status.code() == StatusCode::kUnavailable);
      REQUIRE(time.passed_ms() < 2 * 600'000);
    }
  }
  CHECK(time.passed_ms() >= 600'000);
  CHECK(attempts < 60);
  for (const std::string& key : arrived) UNSCOPED_INFO(key);
  REQUIRE(arrived.size() == 20);
  for (uint64_t txid = 1; txid <= 20; ++txid) {
    CHECK(arrived[txid - 1] == test::s3_key(0, txid, txid));
    CHECK(server.object(test::s3_key(0, txid, txid))->bytes() == "tx " + std::to_string(txid));
  }
  // Ten minutes of asking, but not a storm of it.
  CHECK(server.count(S3Op::kPut) < 400);
}

TEST_CASE("s3 write: Retry-After is honoured, and not beyond reason") {
  S3Server server;
  test::VirtualTime time;
  const auto store = test::open_s3(server, in_virtual_time(time));
  server.fail_next(S3Op::kPut, test::s3_error(503, "SlowDown", "17"));
  REQUIRE(test::put_file(*store, file_of(1), "x").ok());
  CHECK(time.passed_ms() >= 17'000);
  CHECK(time.passed_ms() < 25'000);
  const int64_t before_ms = time.passed_ms();
  server.fail_next(S3Op::kPut, test::s3_error(503, "SlowDown", "86400"));
  (void)test::put_file(*store, file_of(2), "x").ok();
  CHECK(time.passed_ms() - before_ms <= 120'000);
}

TEST_CASE("s3 write: a store without conditions is written with care") {
  test::S3Options options;
  SECTION("it ignores If-None-Match") {
    options.habits.ignores_if_none_match = true;
    options.habits.ignores_if_match = true;
  }
  SECTION("it refuses conditions") { options.habits.refuses_conditions = true; }
  S3Server server(options);
  const auto store = test::open_s3(server);
  REQUIRE(store->check_writable().ok());
  CHECK(server.keys().empty());
  CHECK_FALSE(store->warning().empty());
  CHECK(test::put_file(*store, file_of(1), "mine").ok());
  CHECK(test::put_file(*store, file_of(1), "mine").ok());
  CHECK(test::put_file(*store, file_of(1), "other").code() == StatusCode::kAlreadyExists);
  CHECK(server.object(test::s3_key(0, 1, 1))->bytes() == "mine");
  CHECK(store->read_lease().status().code() == StatusCode::kUnsupported);
  CHECK(store->write_lease({1, kTimeMs, "host:1", ""}, "").status().code() ==
        StatusCode::kUnsupported);
}

TEST_CASE("s3 lease: a reply that is lost does not lose the lease") {
  S3Server server;
  test::VirtualTime time;
  const auto store = test::open_s3(server, in_virtual_time(time));
  REQUIRE(store->check_writable().ok());
  CHECK(store->warning().empty());
  server.fail_next(S3Op::kPut, fault_of(S3Fault::Kind::kLoseReply));
  const auto first = store->write_lease({1, kTimeMs, "host:1", ""}, "");
  REQUIRE(first.ok());
  server.fail_next(S3Op::kPut, fault_of(S3Fault::Kind::kLoseReply));
  const auto second = store->write_lease({2, kTimeMs + 1, "host:1", ""}, first->etag);
  REQUIRE(second.ok());
  CHECK(second->etag == server.object("app/lock.json")->etag);
  CHECK(store->write_lease({3, kTimeMs, "host:1", ""}, first->etag).status().code() ==
        StatusCode::kPositionMismatch);
}

TEST_CASE("s3 write: uploads that a killed process left behind are aborted a day later") {
  S3Server server;
  server.put_upload(test::s3_key(9, 1, 1), 25 * 3600);
  server.put_upload(test::s3_key(9, 2, 2), 3600);
  server.put_upload("elsewhere/0009/0000000000000003-0000000000000003.ltx", 25 * 3600);
  REQUIRE(test::open_s3(server)->check_writable().ok());
  CHECK(server.upload_count() == 2);
}

}  // namespace
}  // namespace litestream
