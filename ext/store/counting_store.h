// Counts what is asked of stores, for metrics: operations, bytes, time and errors, by type of
// store.
//
// The numbers are of the process, since it began. Counting takes no lock.
// Threading: thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ext/base/status.h"
#include "ext/store/ltx_store.h"

namespace litestream {

enum class StoreOperation { kPut, kGet, kDelete, kList };
inline constexpr size_t kStoreOperationCount = 4;
const char* store_operation_name(StoreOperation operation);  // "PUT", "GET", "DELETE", "LIST"

// Upper ends of the buckets for durations, in seconds; one more bucket has no end.
inline constexpr std::array<double, 9> kDurationBucketSeconds = {0.01, 0.05, 0.1, 0.5, 1,
                                                                 5,    10,   30,  60};
inline constexpr size_t kStatusCodeCount = static_cast<size_t>(StatusCode::kInternal) + 1;

struct OperationCounts {
  std::string type;  // of the store
  StoreOperation operation = StoreOperation::kPut;
  uint64_t count = 0;
  uint64_t bytes = 0;
  double seconds = 0;
  std::array<uint64_t, kDurationBucketSeconds.size() + 1> buckets{};  // each alone, not summed up
  std::array<uint64_t, kStatusCodeCount> error_counts{};              // by StatusCode
};

// What has been counted so far; types and operations that never occurred are left out.
std::vector<OperationCounts> operation_counts();

// `store`, counted. Everything else about it stays as it is.
std::unique_ptr<LtxStore> count_operations(std::unique_ptr<LtxStore> store);

}  // namespace litestream
