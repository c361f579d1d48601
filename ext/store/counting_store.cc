#include "ext/store/counting_store.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <type_traits>
#include <utility>

namespace litestream {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::array<const char*, 9> kTypes = {"file", "s3",     "gs",   "abs",  "sftp",
                                               "oss",  "webdav", "nats", "other"};

struct Counter {
  std::atomic<uint64_t> count{0};
  std::atomic<uint64_t> bytes{0};
  std::atomic<uint64_t> duration_us{0};
  std::array<std::atomic<uint64_t>, kDurationBucketSeconds.size() + 1> buckets{};
  std::array<std::atomic<uint64_t>, kStatusCodeCount> errors{};
};

using TypeCounters = std::array<Counter, kStoreOperationCount>;

std::array<TypeCounters, kTypes.size()>& all_counters() {
  static std::array<TypeCounters, kTypes.size()> counters;
  return counters;
}

TypeCounters& counters_of(const std::string& type) {
  const auto found = std::find(kTypes.begin(), kTypes.end(), type);
  const auto index =
      found == kTypes.end() ? kTypes.size() - 1 : static_cast<size_t>(found - kTypes.begin());
  return all_counters()[index];
}

void add(std::atomic<uint64_t>& counter, uint64_t amount) {
  counter.fetch_add(amount, std::memory_order_relaxed);
}

uint64_t microseconds(SteadyClock::duration duration) {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(duration).count());
}

// One operation that may be made of several calls; counted when it ends.
class Operation {
 public:
  Operation(TypeCounters& counters, StoreOperation operation)
      : counter_(counters[static_cast<size_t>(operation)]) {}
  ~Operation() {
    const uint64_t duration_us = microseconds(spent_);
    add(counter_.count, 1);
    add(counter_.bytes, bytes_);
    add(counter_.duration_us, duration_us);
    const auto bucket =
        std::lower_bound(kDurationBucketSeconds.begin(), kDurationBucketSeconds.end(),
                         static_cast<double>(duration_us) / 1e6);
    add(counter_.buckets[static_cast<size_t>(bucket - kDurationBucketSeconds.begin())], 1);
    // That a file is not there, or there already, or another writer's, is an answer.
    constexpr StatusCode kAnswers[] = {StatusCode::kOk,
                                       StatusCode::kNotFound,
                                       StatusCode::kAlreadyExists,
                                       StatusCode::kPositionMismatch,
                                       StatusCode::kUnsupported,
                                       StatusCode::kCancelled};
    const bool failed =
        std::find(std::begin(kAnswers), std::end(kAnswers), code_) == std::end(kAnswers);
    if (failed) add(counter_.errors[static_cast<size_t>(code_)], 1);
  }
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;

  // Runs one call of it; the first error is the operation's.
  template <typename Call>
  std::invoke_result_t<Call> run(Call call) {
    const auto begin = SteadyClock::now();
    auto result = call();
    spent_ += SteadyClock::now() - begin;
    if (code_ == StatusCode::kOk) code_ = code_of(result);
    return result;
  }
  void add_bytes(uint64_t bytes) { bytes_ += bytes; }

 private:
  static StatusCode code_of(const Status& status) { return status.code(); }
  template <typename T>
  static StatusCode code_of(const Result<T>& result) {
    return result.status().code();
  }

  Counter& counter_;
  uint64_t bytes_ = 0;
  SteadyClock::duration spent_{};
  StatusCode code_ = StatusCode::kOk;
};

class CountingReader final : public RandomReader {
 public:
  CountingReader(std::unique_ptr<Operation> operation, std::unique_ptr<RandomReader> reader)
      : operation_(std::move(operation)), reader_(std::move(reader)) {}
  Result<size_t> read_at(uint64_t offset_bytes, MutableBytes out) override {
    auto size = operation_->run([&] { return reader_->read_at(offset_bytes, out); });
    if (size.ok()) operation_->add_bytes(*size);
    return size;
  }
  Result<uint64_t> size_bytes() override {
    return operation_->run([&] { return reader_->size_bytes(); });
  }

 private:
  std::unique_ptr<Operation> operation_;
  std::unique_ptr<RandomReader> reader_;
};

class CountingWriter final : public LtxWriter {
 public:
  CountingWriter(std::unique_ptr<Operation> operation, std::unique_ptr<LtxWriter> writer)
      : operation_(std::move(operation)), writer_(std::move(writer)) {}
  Status append(Bytes bytes) override {
    operation_->add_bytes(bytes.size());
    return operation_->run([&] { return writer_->append(bytes); });
  }
  Status commit() override {
    return operation_->run([&] { return writer_->commit(); });
  }

 private:
  std::unique_ptr<Operation> operation_;
  std::unique_ptr<LtxWriter> writer_;
};

// Forwards every method of LtxStore: one that is missing here would silently lose the store's own.
class CountingStore final : public LtxStore {
 public:
  explicit CountingStore(std::unique_ptr<LtxStore> store)
      : store_(std::move(store)), counters_(counters_of(store_->type())) {}

  const std::string& type() const override { return store_->type(); }
  const std::string& url() const override { return store_->url(); }
  std::string path_of(const LtxFileInfo& file) const override { return store_->path_of(file); }
  Status check_writable() override { return store_->check_writable(); }
  Result<std::unique_ptr<FileLock>> lock_for_writing() override {
    return store_->lock_for_writing();
  }
  Result<std::optional<Lease>> read_lease() override {
    return counted(StoreOperation::kGet, [&] { return store_->read_lease(); });
  }
  Result<Lease> write_lease(const Lease& next, const std::string& expected_etag) override {
    return counted(StoreOperation::kPut, [&] { return store_->write_lease(next, expected_etag); });
  }
  Result<std::vector<LtxFileInfo>> list(int level) override {
    return counted(StoreOperation::kList, [&] { return store_->list(level); });
  }
  Result<std::vector<LtxFileInfo>> list_names(int level) override {
    return counted(StoreOperation::kList, [&] { return store_->list_names(level); });
  }
  bool lists_commit_times() const override { return store_->lists_commit_times(); }
  Status fill_times(std::span<LtxFileInfo> files) override {
    return counted(StoreOperation::kGet, [&] { return store_->fill_times(files); });
  }
  std::string warning() const override { return store_->warning(); }
  void set_interrupted(bool interrupted) override { store_->set_interrupted(interrupted); }
  Result<std::vector<GenerationInfo>> list_generations() override {
    return counted(StoreOperation::kList, [&] { return store_->list_generations(); });
  }
  Result<std::vector<V3File>> list_v3(const std::string& generation) override {
    return counted(StoreOperation::kList, [&] { return store_->list_v3(generation); });
  }
  Result<std::vector<LtxFileInfo>> remove(std::span<const LtxFileInfo> files,
                                          Status* why) override {
    Operation operation(counters_, StoreOperation::kDelete);
    Status reason;
    auto left = operation.run([&] { return store_->remove(files, &reason); });
    // What could not be removed is an error of the operation, though the call has an answer.
    if (left.ok()) (void)operation.run([&] { return reason; }).ok();
    if (why != nullptr) *why = std::move(reason);
    return left;
  }
  Result<std::unique_ptr<RandomReader>> open(const LtxFileInfo& file) override {
    return open_counted([&] { return store_->open(file); });
  }
  Result<std::unique_ptr<RandomReader>> open_v3(const V3File& file) override {
    return open_counted([&] { return store_->open_v3(file); });
  }
  Result<std::unique_ptr<LtxWriter>> create(const LtxFileInfo& file) override {
    auto operation = std::make_unique<Operation>(counters_, StoreOperation::kPut);
    LS_ASSIGN_OR_RETURN(auto writer, operation->run([&] { return store_->create(file); }));
    return std::unique_ptr<LtxWriter>(
        std::make_unique<CountingWriter>(std::move(operation), std::move(writer)));
  }

 private:
  template <typename Call>
  std::invoke_result_t<Call> counted(StoreOperation kind, Call call) {
    Operation operation(counters_, kind);
    return operation.run(call);
  }
  template <typename Call>
  Result<std::unique_ptr<RandomReader>> open_counted(Call call) {
    auto operation = std::make_unique<Operation>(counters_, StoreOperation::kGet);
    LS_ASSIGN_OR_RETURN(auto reader, operation->run(call));
    return std::unique_ptr<RandomReader>(
        std::make_unique<CountingReader>(std::move(operation), std::move(reader)));
  }

  std::unique_ptr<LtxStore> store_;
  TypeCounters& counters_;
};

}  // namespace

const char* store_operation_name(StoreOperation operation) {
  constexpr const char* kNames[kStoreOperationCount] = {"PUT", "GET", "DELETE", "LIST"};
  return kNames[static_cast<size_t>(operation)];
}

std::vector<OperationCounts> operation_counts() {
  std::vector<OperationCounts> all;
  for (size_t type = 0; type < kTypes.size(); ++type) {
    for (size_t operation = 0; operation < kStoreOperationCount; ++operation) {
      const Counter& counter = all_counters()[type][operation];
      OperationCounts counts;
      counts.count = counter.count.load(std::memory_order_relaxed);
      if (counts.count == 0) continue;
      counts.type = kTypes[type];
      counts.operation = static_cast<StoreOperation>(operation);
      counts.bytes = counter.bytes.load(std::memory_order_relaxed);
      counts.seconds = static_cast<double>(counter.duration_us.load()) / 1e6;
      for (size_t i = 0; i < counts.buckets.size(); ++i) counts.buckets[i] = counter.buckets[i];
      for (size_t i = 0; i < kStatusCodeCount; ++i) counts.error_counts[i] = counter.errors[i];
      all.push_back(std::move(counts));
    }
  }
  return all;
}

std::unique_ptr<LtxStore> count_operations(std::unique_ptr<LtxStore> store) {
  return std::make_unique<CountingStore>(std::move(store));
}

}  // namespace litestream
