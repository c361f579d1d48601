// What the restore tests share: restoring into a folder of its own and looking at every byte.
#pragma once

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

#include "ext/engine/restore.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/ltx_literals.h"
#include "tests/support/memory_store.h"
#include "tests/support/replica_history.h"
#include "tests/support/temp_dir.h"

namespace litestream::test {

using Target = RestoreTarget;

inline constexpr uint32_t kPageSize = 512;

// A test process syncs nothing for real.
inline FileSystem& files() {
  static FaultFileSystem fs(posix_file_system());
  return fs;
}

inline ByteVector read_all(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline bool exists(const std::string& path) { return std::filesystem::exists(path); }
inline bool is_empty(const TempDir& dir) { return std::filesystem::is_empty(dir.path()); }

inline Result<RestoreResult> restore(LtxStore& store, const Target& target,
                                     const std::string& output, bool overwrite = false,
                                     int parallelism = 1) {
  RestoreOptions options;
  options.overwrite = overwrite;
  options.stream.parallelism = parallelism;
  return restore_database(store, files(), target, output, options);
}

// Restores to a fresh file; nullopt on an error, whose status goes to `*status`.
inline std::optional<ByteVector> restored(LtxStore& store, const Target& target,
                                          Status* status = nullptr, int parallelism = 1) {
  const TempDir dir(TempDir::Place::kMemory);
  const auto result = restore(store, target, dir.file("db"), false, parallelism);
  if (status != nullptr) *status = result.status();
  if (!result.ok()) {
    REQUIRE(is_empty(dir));
    return std::nullopt;
  }
  REQUIRE(std::distance(std::filesystem::directory_iterator(dir.path()), {}) == 1);
  ByteVector bytes = read_all(dir.file("db"));
  REQUIRE(result->size_bytes == bytes.size());
  REQUIRE(result->restored_path == dir.file("db"));
  return bytes;
}

// A snapshot of 4 pages, and a transaction that makes it 9.
inline MemoryStore& small_store() {
  static MemoryStore store;
  if (!store.files().empty()) return store;
  ReplicaHistory history(kPageSize);
  history.commit(4, {});
  history.commit(9, {1});
  history.put(store, 9, 1, 1);
  history.put(store, 0, 2, 2);
  return store;
}

}  // namespace litestream::test
