// A database for crash tests, its replica, and the oracle: what a restore must hold. The process
// of the test never replicates; it restores, reads the replica's files and looks at the source
// through a connection that leaves the WAL alone.
#pragma once

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "ext/store/ltx_store.h"
#include "tests/crash/child_process.h"
#include "tests/crash/load.h"
#include "tests/support/sqlite_db.h"
#include "tests/support/temp_dir.h"

namespace litestream::test {

class CrashDatabase {
 public:
  // Creates the database with the load's schema and ballast in pages nothing touches again.
  explicit CrashDatabase(int page_size_bytes, TempDir::Place place = TempDir::Place::kMemory);

  std::string path() const { return dir_.file("app.db"); }
  std::string file(const std::string& name) const { return dir_.file(name); }
  std::string meta_path() const { return dir_.file(".app.db-litestream"); }
  std::string url() const { return "file://" + dir_.file("replica"); }

  std::unique_ptr<ChildProcess> plain() const;
  // A process with the extension, not replicating yet.
  std::unique_ptr<ChildProcess> extended() const;
  std::string replicate_statement() const;
  void set_options(const std::string& json) { options_ = json; }
  // A process that replicates; the first of its kind is the owner.
  std::unique_ptr<ChildProcess> replicating() const;

  // The newest state, or the one at `txid`, as a file; its path. The file before is removed.
  std::string restore(const std::string& txid = "") const;
  std::vector<std::string> points() const;
  // What a reader sees now, page for page. Leaves -wal and -shm as they are.
  std::string image() const;
  // Opens and closes the database as an application would: the last to close checkpoints.
  void open_and_close() const;
  int64_t log_count() const;

  // The newest state of the replica is the source, byte for byte, and sound.
  void require_newest_is_source() const;
  // A sound prefix of the source's transactions; how many.
  int64_t require_prefix(const std::string& txid) const;
  // As many points as asked for, with their transactions in the order of their TXIDs.
  void require_points(const std::vector<std::string>& txids) const;
  // One snapshot, TXIDs without a hole, checksums that chain, no ballast in level 0.
  void require_chain() const;
  uint64_t level_0_bytes() const;
  // No writer of any child met an error it does not expect.
  void require_no_errors() const;

 private:
  std::vector<LtxFileInfo> list(int level) const;
  void require_no_ballast(const LtxFileInfo& file) const;
  TempDir dir_;
  std::string options_ = R"({"sync-interval":"20ms"})";
  std::unique_ptr<LtxStore> replica_;
  std::unique_ptr<SqliteDb> restorer_;
  int64_t ballast_first_ = 0;  // page numbers
  int64_t ballast_last_ = 0;
};

std::string file_bytes(const std::string& path);

}  // namespace litestream::test
