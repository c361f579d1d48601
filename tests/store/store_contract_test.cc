// Every backend against the same contract.
#include "tests/support/store_contract.h"

#include <catch2/catch.hpp>

#include "ext/store/file_store.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/memory_store.h"
#include "tests/support/temp_dir.h"

namespace litestream {
namespace {

// Lets several owners share one store.
class SharedStore final : public LtxStore {
 public:
  explicit SharedStore(LtxStore& store) : store_(store) {}
  const std::string& type() const override { return store_.type(); }
  const std::string& url() const override { return store_.url(); }
  Result<std::vector<LtxFileInfo>> list(int level) override { return store_.list(level); }
  Result<std::unique_ptr<RandomReader>> open(const LtxFileInfo& file) override {
    return store_.open(file);
  }
  Result<std::unique_ptr<LtxWriter>> create(const LtxFileInfo& file) override {
    return store_.create(file);
  }
  Result<std::vector<LtxFileInfo>> remove(std::span<const LtxFileInfo> files,
                                          Status* why) override {
    return store_.remove(files, why);
  }
  Result<std::vector<GenerationInfo>> list_generations() override {
    return store_.list_generations();
  }
  Result<std::optional<Lease>> read_lease() override { return store_.read_lease(); }
  Result<Lease> write_lease(const Lease& next, const std::string& expected_etag) override {
    return store_.write_lease(next, expected_etag);
  }
  std::string path_of(const LtxFileInfo& file) const override { return store_.path_of(file); }

 private:
  LtxStore& store_;
};

TEST_CASE("store contract: file") {
  const test::TempDir dir(test::TempDir::Place::kMemory);
  // Its sync costs nothing, which thousands of files notice.
  test::FaultFileSystem fs(posix_file_system());
  test::run_store_contract([&] {
    test::StoreBackend backend;
    backend.open = [&] { return std::make_unique<FileStore>(fs, dir.file("replica")); };
    return backend;
  });
}

TEST_CASE("store contract: memory") {
  test::MemoryStore store;
  test::run_store_contract([&] {
    test::StoreBackend backend;
    backend.open = [&] { return std::make_unique<SharedStore>(store); };
    backend.has_lease = true;
    return backend;
  });
}

}  // namespace
}  // namespace litestream
