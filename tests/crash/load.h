// The transactions that crash tests run in child processes, and how any state of the database is
// checked to be the state after some number of them.
//
// Tables: counters(writer, n); log(id, writer, chain), one row per transaction, `chain` being a
// function of all rows up to it; load(id, data), rewritten at random; ballast(data), never touched
// again. So a state holds a prefix of the transactions if its last `chain` is the one that the
// source has at the same id, and its counters add up.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

namespace litestream::test {

inline constexpr int kWriterCountMax = 8;

// The schema, the first row of log, and all counters; `ballast_pages` is filled separately.
extern const char kLoadSchema[];

struct LoadOptions {
  std::string path;
  int writer = 0;
  // Ends when the writer's counter has reached this; 0: never.
  int64_t target = 0;
  uint64_t seed = 0;  // what a transaction does depends on it, the writer and the counter only
  int64_t pause_us = 0;
  int busy_timeout_ms = 10'000;
};

// Runs transactions on a connection of its own until the target or `*stop`. Returns "" or the first
// error; SQLITE_BUSY is an error only if busy_timeout_ms is 0.
std::string run_load(const LoadOptions& options, const std::atomic<bool>* stop);

}  // namespace litestream::test
