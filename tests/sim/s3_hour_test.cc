// What replication to S3 asks for and what a store that fails for long makes of it: whole
// replicators over the real S3 client and the strict server, in simulated time (s3_world.h).
#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/sim/s3_request_counts.h"
#include "tests/sim/s3_world.h"

namespace litestream::test {
namespace {

constexpr int64_t kSecondMs = 1000, kMinuteMs = 60 * kSecondMs, kHourMs = 60 * kMinuteMs;

// TXIDs of the L0 files whose upload the server accepted, in the order of its log.
std::vector<uint64_t> accepted_uploads(const S3Server& server) {
  std::vector<uint64_t> out;
  constexpr std::string_view kLevel0 = "/app/0000/";
  for (const std::string& line : server.log()) {
    const size_t at = line.find(kLevel0);
    if (!line.starts_with("put ") || !line.ends_with(" -> 200")) continue;
    if (at == std::string::npos) continue;
    out.push_back(std::stoull(line.substr(at + kLevel0.size(), 16), nullptr, 16));
  }
  return out;
}

size_t file_count(const S3Server& server, int level) {
  const std::vector<std::string> keys = server.keys();
  const std::string folder = "app/000" + std::to_string(level) + "/";
  return static_cast<size_t>(std::count_if(
      keys.begin(), keys.end(), [&](const std::string& key) { return key.starts_with(folder); }));
}

size_t requests_with(const S3Server& server, const std::string& text) {
  const std::vector<std::string> log = server.log();
  return static_cast<size_t>(std::count_if(log.begin(), log.end(), [&](const std::string& line) {
    return line.find(text) != std::string::npos;
  }));
}

void require_everything(const S3World& world) {
  MemoryStore replica;
  world.copy_replica(&replica);
  SimOracle oracle(world.database(), replica);
  try {
    oracle.check_newest();
  } catch (const SimFailure& failure) {
    FAIL(failure.what());
  }
}

}  // namespace

TEST_CASE("an hour of a commit per second: as many requests as BENCH.md allows, and no LIST") {
  S3Server server;
  S3World world(server, {});
  world.run(10 * kSecondMs, true);
  REQUIRE(world.status().phase == ReplicatorStatus::Phase::kRunning);
  // A start lists each level once, and looks once for a v0.3 backup and for abandoned uploads.
  for (int level = 0; level <= 9; ++level) {
    CHECK(requests_with(server, "prefix=app%2F000" + std::to_string(level) + "%2F") == 1);
  }
  CHECK(s3_request_counts(server).list == 12);
  server.forget_requests();
  world.run(kHourMs, true);
  const S3RequestCounts hour = s3_request_counts(server);
  CAPTURE(hour.put, hour.get, hour.list, hour.head, hour.remove);
  CHECK(hour.list == 0);
  CHECK(hour.put >= 3600);
  CHECK(hour.put <= kS3PutsPerHourMax);
  CHECK(hour.get < 60);
  CHECK(hour.remove <= 240);  // retention looks every 15 seconds, and removes what it finds at once
  CHECK(hour.head == 0);
  CHECK(hour.other == 0);
  // All levels are at work, and what they hold leaves level 0.
  CHECK(file_count(server, 1) == 120);
  CHECK(file_count(server, 2) == 12);
  CHECK(file_count(server, 3) == 1);
  CHECK(file_count(server, 0) < 400);
  require_everything(world);

  // Without commits it comes to rest, and then costs nothing.
  world.run(2 * kHourMs, false);
  server.forget_requests();
  world.run(kHourMs, false);
  CHECK(server.request_count() == 0);
}

TEST_CASE("ten minutes of 503: nothing is lost or reordered, and no commit waits") {
  DatabaseOptions options;
  const bool is_every_commit = GENERATE(true, false);
  CAPTURE(is_every_commit);
  options.file_per_commit = is_every_commit;
  options.retention_enabled = !is_every_commit;  // every commit must be there to be looked for
  S3Server server;
  S3World world(server, options);
  world.run(30 * kSecondMs, true);
  REQUIRE(world.status().phase == ReplicatorStatus::Phase::kRunning);
  const int64_t storm_begin_ms = world.passed_ms();
  const int64_t storm_end_ms = storm_begin_ms + 10 * kMinuteMs;
  server.set_fault([&](const S3Request& request) -> std::optional<S3Fault> {
    if (world.passed_ms() >= storm_end_ms) return std::nullopt;
    // Some answers name a time, some do not.
    return s3_error(503, "SlowDown", request.op_number % 3 == 0 ? "7" : "");
  });
  const uint64_t commits_before = world.commit_count();
  const uint64_t requests_before = server.request_count();
  world.run(10 * kMinuteMs, true);
  CHECK(world.commit_count() - commits_before >= 599);
  // Calls were waiting nearly all the time, and the commits came all the same.
  CHECK(world.commits_beside_a_wait() > 400);
  CHECK(world.status().phase == ReplicatorStatus::Phase::kRunning);
  CHECK(world.status().local_txid > world.status().replica_txid);
  CHECK(world.status().last_error.find("SlowDown") != std::string::npos);
  const uint64_t tried = server.request_count() - requests_before;
  CAPTURE(tried);
  CHECK(tried < 600);

  world.run(2 * kMinuteMs, true);
  world.run(10 * kSecondMs, false);
  CHECK(world.status().last_error == "");
  CHECK(world.status().local_txid == world.status().replica_txid);
  require_everything(world);
  const std::vector<uint64_t> uploads = accepted_uploads(server);
  CHECK(std::is_sorted(uploads.begin(), uploads.end()));
  CHECK(std::adjacent_find(uploads.begin(), uploads.end()) == uploads.end());
  if (!is_every_commit) return;
  MemoryStore replica;
  world.copy_replica(&replica);
  // One point per commit and one for the state before the first.
  CHECK(restore_points(replica.files()).size() == world.commit_count() + 1);
  for (size_t i = 0; i < uploads.size(); ++i) REQUIRE(uploads[i] == i + uploads[0]);
}

}  // namespace litestream::test
