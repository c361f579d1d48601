// What an hour of one commit per second costs at S3 with default options: requests by kind, counted
// by the strict server of the tests. Time is simulated; the engine and the S3 client are the real
// ones (tests/sim/s3_world.h).
#include <string>

#include "bench/bench_json.h"
#include "bench/bench_support.h"
#include "tests/sim/s3_request_counts.h"
#include "tests/sim/s3_world.h"

namespace {

constexpr int64_t kSecondMs = 1000, kHourMs = 3600 * kSecondMs;

// A bound of 0 is a bound too, so the limit stands beside the value and there is no ratio.
void print_counts(const std::string& when, const litestream::test::S3RequestCounts& counts,
                  double put_limit) {
  using litestream::bench::print;
  const auto report = [&](const char* kind, uint64_t count, double limit) {
    litestream::bench::Report line;
    line.name = "s3_cost_" + when;
    line.value = static_cast<double>(count);
    line.unit = "requests/h";
    if (limit >= 0) line.numbers = {{"limit", limit}};
    line.texts = {{"kind", kind}};
    print(line);
  };
  constexpr double kNoLimit = -1;
  report("PUT", counts.put, put_limit);
  report("GET", counts.get, put_limit == 0 ? 0 : kNoLimit);
  report("LIST", counts.list, 0);
  report("DELETE", counts.remove, put_limit == 0 ? 0 : kNoLimit);
  report("HEAD", counts.head, put_limit == 0 ? 0 : kNoLimit);
}

}  // namespace

int main() {
  using namespace litestream::test;
  S3Server server;
  S3World world(server, {});
  world.run(10 * kSecondMs, true);
  if (world.status().phase != litestream::ReplicatorStatus::Phase::kRunning) {
    litestream::bench::give_up("replication does not start: " + world.status().last_error);
  }
  server.forget_requests();
  world.run(kHourMs, true);
  print_counts("busy", s3_request_counts(server), kS3PutsPerHourMax);
  world.run(2 * kHourMs, false);  // levels and retention come to rest
  server.forget_requests();
  world.run(kHourMs, false);
  print_counts("idle", s3_request_counts(server), 0);
  return 0;
}
