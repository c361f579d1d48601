#include "ext/engine/owner.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "ext/engine/options.h"
#include "ext/engine/record.h"

namespace litestream {
namespace {

constexpr std::string_view kStatusFormat = "litestream-status-1";
constexpr std::string_view kRequestFormat = "litestream-request-1";
constexpr std::string_view kAnswerFormat = "litestream-answer-1";
constexpr int64_t kPollMs = 10;
constexpr size_t kRequestsMax = 1000;
constexpr const char* kVerbs[] = {"sync", "snapshot", "stop", "reset", "compact"};

std::string status_path(const std::string& meta_path) { return path_join(meta_path, "status"); }
std::string answers_path(const std::string& meta_path) { return path_join(meta_path, "answers"); }

Txid txid_of(const Record& record, std::string_view key) { return Txid{record.number(key)}; }

Result<Txid> read_answer(const Record& record) {
  if (record.text("error").empty()) return txid_of(record, "txid");
  const uint64_t code = record.number("code");
  const bool known = code > 0 && code <= static_cast<uint64_t>(StatusCode::kInternal);
  return Status(known ? static_cast<StatusCode>(code) : StatusCode::kInternal,
                record.text("error"));
}

Status remove_all(FileSystem& fs, const std::string& folder) {
  LS_ASSIGN_OR_RETURN(const auto entries, fs.list_directory(folder));
  for (const DirectoryEntry& entry : entries) {
    if (!entry.is_directory) (void)fs.remove(path_join(folder, entry.name)).ok();
  }
  return {};
}

}  // namespace

std::string this_process_name() {
  char host[256] = "localhost";
  (void)::gethostname(host, sizeof host - 1);
  return std::string(host) + ":" + std::to_string(::getpid());
}

Status save_owner_status(FileSystem& fs, const std::string& meta_path, const OwnerStatus& status) {
  Record record;
  record.put("owner", status.owner);
  record.put("status", status.status);
  record.put("local_txid", status.local_txid.value);
  record.put("replica_txid", status.replica_txid.value);
  record.put("page_size_bytes", status.page_size_bytes);
  record.put("wal_size_bytes", status.wal_size_bytes);
  record.put("spool_size_bytes", status.spool_size_bytes);
  record.put("last_sync_at_ms", static_cast<uint64_t>(status.last_sync_at_ms));
  record.put("oldest_unsent_at_ms", static_cast<uint64_t>(status.oldest_unsent_at_ms));
  record.put("last_error", status.last_error);
  record.put("durability", status.durability);
  record.put("warning", status.warning);
  record.put("replica_count", status.replicas.size());
  for (size_t i = 0; i < status.replicas.size(); ++i) {
    const ReplicaStatus& replica = status.replicas[i];
    const std::string prefix = "replica_" + std::to_string(i) + "_";
    record.put(prefix + "name", replica.name);
    record.put(prefix + "txid", replica.replica_txid.value);
    record.put(prefix + "needs_snapshot", replica.needs_snapshot ? 1 : 0);
    record.put(prefix + "last_sync_at_ms", static_cast<uint64_t>(replica.last_sync_at_ms));
    record.put(prefix + "oldest_unsent_at_ms", static_cast<uint64_t>(replica.oldest_unsent_at_ms));
    record.put(prefix + "last_error", replica.last_error);
    record.put(prefix + "warning", replica.warning);
  }
  return record.save(fs, status_path(meta_path), kStatusFormat);
}

Result<OwnerStatus> load_owner_status(FileSystem& fs, const std::string& meta_path) {
  LS_ASSIGN_OR_RETURN(const bool owned, fs.is_locked(path_join(meta_path, "owner.lock")));
  if (!owned) return not_found("not replicated by any process");
  LS_ASSIGN_OR_RETURN(const Record record, Record::load(fs, status_path(meta_path), kStatusFormat));
  OwnerStatus status;
  status.owner = record.text("owner");
  status.status = record.text("status");
  status.local_txid = txid_of(record, "local_txid");
  status.replica_txid = txid_of(record, "replica_txid");
  status.page_size_bytes = static_cast<uint32_t>(record.number("page_size_bytes"));
  status.wal_size_bytes = record.number("wal_size_bytes");
  status.spool_size_bytes = record.number("spool_size_bytes");
  status.last_sync_at_ms = static_cast<int64_t>(record.number("last_sync_at_ms"));
  status.oldest_unsent_at_ms = static_cast<int64_t>(record.number("oldest_unsent_at_ms"));
  status.last_error = record.text("last_error");
  status.durability = record.text("durability");
  status.warning = record.text("warning");
  const uint64_t replica_count = std::min<uint64_t>(record.number("replica_count"), kReplicasMax);
  for (uint64_t i = 0; i < replica_count; ++i) {
    const std::string prefix = "replica_" + std::to_string(i) + "_";
    ReplicaStatus replica;
    replica.name = record.text(prefix + "name");
    replica.replica_txid = txid_of(record, prefix + "txid");
    replica.needs_snapshot = record.number(prefix + "needs_snapshot") != 0;
    replica.last_sync_at_ms = static_cast<int64_t>(record.number(prefix + "last_sync_at_ms"));
    replica.oldest_unsent_at_ms =
        static_cast<int64_t>(record.number(prefix + "oldest_unsent_at_ms"));
    replica.last_error = record.text(prefix + "last_error");
    replica.warning = record.text(prefix + "warning");
    status.replicas.push_back(std::move(replica));
  }
  return status;
}

Result<Txid> ask_owner(FileSystem& fs, const Clock& clock, const std::string& meta_path,
                       OwnerVerb verb, int64_t timeout_ms, const std::function<bool()>& cancel,
                       int64_t argument) {
  static std::atomic<uint64_t> next_number{0};
  LS_ASSIGN_OR_RETURN(const bool owned, fs.is_locked(path_join(meta_path, "owner.lock")));
  if (!owned) return not_found("not replicated by any process");
  const std::string id = std::to_string(::getpid()) + "-" + std::to_string(clock.monotonic_ms()) +
                         "-" + std::to_string(next_number++);
  const std::string request = path_join(requests_path(meta_path), id);
  const std::string answer = path_join(answers_path(meta_path), id);
  Record record;
  record.put("verb", kVerbs[static_cast<size_t>(verb)]);
  record.put("deadline_ms", static_cast<uint64_t>(clock.wall_ms() + timeout_ms));
  record.put("argument", static_cast<uint64_t>(argument));
  LS_RETURN_IF_ERROR(record.save(fs, request, kRequestFormat));
  const int64_t deadline_ms = clock.monotonic_ms() + timeout_ms;
  Status status;
  while (status.ok()) {
    const auto answered = Record::load(fs, answer, kAnswerFormat);
    if (answered.ok()) {
      (void)fs.remove(answer).ok();
      return read_answer(*answered);
    }
    if (clock.monotonic_ms() >= deadline_ms) {
      const auto owner = load_owner_status(fs, meta_path);
      status = unavailable("the owner" + (owner.ok() ? " (" + owner->owner + ")" : std::string()) +
                           " did not answer within " + std::to_string(timeout_ms) + " ms");
    } else if (cancel && cancel()) {
      status = cancelled("interrupted");
    } else {
      std::this_thread::sleep_for(std::chrono::milliseconds(kPollMs));
    }
  }
  (void)fs.remove(request).ok();
  (void)fs.remove(answer).ok();
  return status;
}

std::string requests_path(const std::string& meta_path) { return path_join(meta_path, "requests"); }

Status open_requests(FileSystem& fs, const std::string& meta_path) {
  for (const std::string& folder : {requests_path(meta_path), answers_path(meta_path)}) {
    LS_RETURN_IF_ERROR(fs.create_directories(folder));
    LS_RETURN_IF_ERROR(remove_all(fs, folder));
  }
  return {};
}

std::vector<OwnerRequest> take_requests(FileSystem& fs, const Clock& clock,
                                        const std::string& meta_path) {
  std::vector<OwnerRequest> requests;
  const std::string folder = requests_path(meta_path);
  const auto entries = fs.list_directory(folder);
  if (!entries.ok()) return requests;
  for (const DirectoryEntry& entry : *entries) {
    // Records appear by rename; a name with a dot is one that is still being written.
    if (entry.is_directory || entry.name.starts_with('.')) continue;
    if (requests.size() >= kRequestsMax) break;
    const std::string path = path_join(folder, entry.name);
    const auto record = Record::load(fs, path, kRequestFormat);
    (void)fs.remove(path).ok();
    if (!record.ok()) continue;
    OwnerRequest request{entry.name, OwnerVerb::kSync,
                         static_cast<int64_t>(record->number("deadline_ms")),
                         static_cast<int64_t>(record->number("argument"))};
    const auto* verb = std::find(std::begin(kVerbs), std::end(kVerbs), record->text("verb"));
    if (verb == std::end(kVerbs) || request.deadline_ms < clock.wall_ms()) continue;
    request.verb = static_cast<OwnerVerb>(verb - std::begin(kVerbs));
    requests.push_back(std::move(request));
  }
  return requests;
}

Status answer_request(FileSystem& fs, const std::string& meta_path, const std::string& id,
                      const Result<Txid>& answer) {
  Record record;
  if (answer.ok()) {
    record.put("txid", answer->value);
  } else {
    record.put("code", static_cast<uint64_t>(answer.status().code()));
    record.put("error", answer.status().message());
  }
  return record.save(fs, path_join(answers_path(meta_path), id), kAnswerFormat);
}

}  // namespace litestream
