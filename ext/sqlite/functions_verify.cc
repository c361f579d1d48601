// litestream_verify(source [, options]).
#include "ext/sqlite/functions.h"
#include "ext/sqlite/remote_call.h"
#include "ext/sqlite/restore_request.h"
#include "ext/sqlite/source_database.h"

#include <stdlib.h>
#include <unistd.h>

#include "ext/base/clock.h"
#include "ext/config/url.h"
#include "ext/engine/owner.h"
#include "ext/engine/verify.h"
#include "ext/engine/verify_deep.h"

namespace litestream {
namespace {

constexpr const char* kOptions = "deep, live, parallelism, replica";
constexpr int64_t kWaitMs = 60'000;          // for the replica's own compaction
constexpr int64_t kAlignTimeMsMax = 30'000;  // for a moment between two commits

// A folder of our own for one restored database; removed with it.
class ScratchFolder {
 public:
  ScratchFolder() {
    const char* root = ::secure_getenv("TMPDIR");
    path_ = path_join(root != nullptr && root[0] != '\0' ? root : "/tmp", "litestream-XXXXXX");
    if (::mkdtemp(path_.data()) == nullptr) path_.clear();
  }
  ~ScratchFolder() {
    if (path_.empty()) return;
    (void)posix_file_system().remove(file()).ok();
    (void)posix_file_system().remove_directory(path_).ok();
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  bool exists() const { return !path_.empty(); }
  std::string file() const { return path_join(path_, "restored.db"); }

 private:
  std::string path_;
};

Status add_deep(LtxStore& store, const StreamOptions& options, VerifyReport* report) {
  const ScratchFolder scratch;
  if (!scratch.exists()) return io_error("no temporary folder; set TMPDIR");
  const auto check = [&options](const std::string& path) {
    return check_integrity(path, true, options.cancelled);
  };
  LS_ASSIGN_OR_RETURN(const auto findings,
                      verify_deep(store, posix_file_system(), scratch.file(), check, options));
  report->errors.insert(report->errors.end(), findings.begin(), findings.end());
  return {};
}

// Captures and uploads what was committed so far, in whichever process owns the database.
Result<Txid> sync_now(const ReplicaSource& source, const CancelCheck& cancel) {
  if (source.replicator != nullptr && source.replicator->is_owner_now()) {
    return source.replicator->sync(kWaitMs, cancel);
  }
  const std::string meta_path =
      meta_path_of(resolved_path(source.database), source.options.meta_path);
  return ask_owner(posix_file_system(), system_clock(), meta_path, OwnerVerb::kSync, kWaitMs,
                   cancel);
}

// The database as it is at a TXID that the replicas have: a read that began exactly there. Between
// two syncs with the same answer nobody committed, and the read began between them.
Result<PageSums> read_live(const ReplicaSource& replica, const CancelCheck& cancel) {
  const int64_t until_ms = system_clock().monotonic_ms() + kAlignTimeMsMax;
  SqliteSource source(resolved_path(replica.database), "");
  LS_RETURN_IF_ERROR(source.open(false));
  LS_ASSIGN_OR_RETURN(Txid before, sync_now(replica, cancel));
  while (true) {
    LS_ASSIGN_OR_RETURN(auto reader, source.open_reader());
    LS_ASSIGN_OR_RETURN(const Txid after, sync_now(replica, cancel));
    if (before == after) {
      source.close(false);
      return sum_live_database(*reader, after, cancel);
    }
    if (system_clock().monotonic_ms() > until_ms) {
      return busy(
          "commits follow each other too closely to find a moment to compare at; try again");
    }
    before = after;
  }
}

Status add_live(const ReplicaSource& source, LtxStore& store, const StreamOptions& options,
                VerifyReport* report) {
  if (is_replica_url(source.database)) {
    return invalid_argument("option 'live' compares with a database: give its path, not a URL");
  }
  LS_ASSIGN_OR_RETURN(const PageSums live, read_live(source, options.cancelled));
  const auto findings = compare_with_live(store, live, options);
  if (findings.ok()) {
    report->errors.insert(report->errors.end(), findings->begin(), findings->end());
    return {};
  }
  const StatusCode code = findings.status().code();
  const bool is_finding = code == StatusCode::kCorrupt || code == StatusCode::kNotFound ||
                          code == StatusCode::kPositionMismatch;
  if (!is_finding) return findings.status();
  report->errors.push_back(findings.status().message());
  return {};
}

// What this process replicates it also heals: the answer shows in litestream_status.
Result<VerifyReport> verify_one(const ReplicaSource& source, const RestoreRequest& request,
                                SqlCall& call) {
  LS_ASSIGN_OR_RETURN(const auto store, open_private_store(source));
  CallJob job(call, "verify", source);
  const StreamOptions options = job.options(request, store);
  const bool is_ours = source.replicator != nullptr &&
                       source.replicator->listed_replica(source.replica_name) != nullptr;
  StreamOptions shared = options;
  shared.owned_store = nullptr;
  LS_ASSIGN_OR_RETURN(VerifyReport report,
                      is_ours ? source.replicator->verify(source.replica_name, kWaitMs, shared)
                              : verify_replica(*store, options));
  if (request.live && report.ok()) {
    LS_RETURN_IF_ERROR(add_live(source, *store, options, &report));
  }
  if (request.deep && report.ok()) LS_RETURN_IF_ERROR(add_deep(*store, options, &report));
  return report;
}

}  // namespace

Status run_verify(SqlCall& call) {
  LS_ASSIGN_OR_RETURN(const std::string name, call.text(0, "the source"));
  LS_ASSIGN_OR_RETURN(const auto json, call.optional_text(1, "the options"));
  LS_ASSIGN_OR_RETURN(const RestoreRequest request, parse_restore_request(json, kOptions));
  LS_ASSIGN_OR_RETURN(const auto sources, sources_named(name, request.replica));
  LS_RETURN_IF_ERROR(refuse_remote_in_write(call, sources));
  const RemoteCall limits(call.db(), RemoteCall::kNoLimit);
  VerifyReport report;
  for (const ReplicaSource& source : sources) {
    LS_ASSIGN_OR_RETURN(VerifyReport one, verify_one(source, request, call));
    report.file_count += one.file_count;
    for (std::string& error : one.errors) {
      report.errors.push_back(sources.size() > 1 ? source.replica_name + ": " + error : error);
    }
  }
  std::string errors;
  for (const std::string& error : report.errors) {
    errors += (errors.empty() ? "" : ",") + json_quote(error);
  }
  call.result_text(std::string("{\"ok\":") + (report.ok() ? "true" : "false") + ",\"files\":" +
                   std::to_string(report.file_count) + ",\"errors\":[" + errors + "]}");
  return {};
}

}  // namespace litestream
