#include "ext/sqlite/restore_request.h"

#include <charconv>

#include "ext/base/clock.h"
#include "ext/config/url.h"
#include "ext/sqlite/own_connection.h"
#include "ext/sqlite/remote_call.h"

namespace litestream {
namespace {

constexpr int64_t kStoreLagMs = 6000;
constexpr int kCheckSteps = 1000;  // of SQLite's program between two questions
constexpr int64_t kTimeoutMsMax = 3'600'000;

Status wrong(const std::string& key, const std::string& must) {
  return invalid_argument("option '" + key + "' must be " + must);
}

Status read_text(const std::string& key, const JsonScalar& value, std::string* out) {
  if (value.kind != JsonScalar::Kind::kString) return wrong(key, "a string");
  *out = value.text;
  return {};
}

Status read_bool(const std::string& key, const JsonScalar& value, bool* out) {
  if (value.kind != JsonScalar::Kind::kBool) return wrong(key, "true or false");
  *out = value.boolean;
  return {};
}

template <typename Number>
Status read_number(const std::string& key, const JsonScalar& value, Number min, Number max,
                   Number* out) {
  Number number = 0;
  const char* end = value.text.data() + value.text.size();
  const auto read = std::from_chars(value.text.data(), end, number);
  const bool is_number = value.kind == JsonScalar::Kind::kNumber && read.ec == std::errc() &&
                         read.ptr == end && number >= min && number <= max;
  if (!is_number) {
    return wrong(key, "an integer from " + std::to_string(min) + " to " + std::to_string(max));
  }
  *out = number;
  return {};
}

Status read_target(const std::string& key, const JsonScalar& value, RestoreTarget* target) {
  std::string text;
  LS_RETURN_IF_ERROR(read_text(key, value, &text));
  if (target->kind != RestoreTarget::Kind::kNewest) {
    return invalid_argument("give txid or timestamp, not both");
  }
  if (key == "txid") {
    LS_ASSIGN_OR_RETURN(const Txid txid, parse_txid(text));
    *target = RestoreTarget::at_txid(txid);
  } else {
    LS_ASSIGN_OR_RETURN(const int64_t time_ms, parse_rfc3339_ms(text));
    *target = RestoreTarget::at_time(time_ms);
  }
  return {};
}

Status read_check(const JsonScalar& value, std::string* out) {
  const bool is_one = value.kind == JsonScalar::Kind::kString &&
                      (value.text == "none" || value.text == "quick" || value.text == "full");
  if (!is_one) return wrong("integrity_check", "none, quick or full");
  *out = value.text;
  return {};
}

Status apply_option(const std::string& key, const JsonScalar& value, RestoreRequest* request) {
  if (key == "txid" || key == "timestamp") return read_target(key, value, &request->target);
  if (key == "integrity_check") return read_check(value, &request->integrity_check);
  if (key == "replica") return read_text(key, value, &request->replica);
  if (key == "generation") return read_text(key, value, &request->generation);
  if (key == "overwrite") return read_bool(key, value, &request->overwrite);
  if (key == "if_db_not_exists") return read_bool(key, value, &request->if_db_not_exists);
  if (key == "if_replica_exists") return read_bool(key, value, &request->if_replica_exists);
  if (key == "deep") return read_bool(key, value, &request->deep);
  if (key == "live") return read_bool(key, value, &request->live);
  if (key == "parallelism") {
    return read_number(key, value, 1, kParallelismMax, &request->parallelism);
  }
  return read_number<int64_t>(key, value, 0, kTimeoutMsMax, &request->timeout_ms);
}

bool is_listed(const std::string& key, const std::string& names) {
  const std::string all = ", " + names + ",";
  return all.find(", " + key + ",") != std::string::npos;
}

}  // namespace

Result<RestoreRequest> parse_restore_request(const std::optional<std::string>& json,
                                             const std::string& known) {
  RestoreRequest request;
  if (!json) return request;
  LS_ASSIGN_OR_RETURN(const auto options, parse_flat_json_object(*json));
  for (const auto& [key, value] : options) {
    if (!is_listed(key, known)) {
      return invalid_argument("unknown option '" + key + "'; known: " + known);
    }
    if (value.kind == JsonScalar::Kind::kNull) continue;
    LS_RETURN_IF_ERROR(apply_option(key, value, &request));
  }
  return request;
}

Result<std::shared_ptr<LtxStore>> open_private_store(const ReplicaSource& source) {
  // A replica that is not written from here was opened for this call alone.
  if (source.replicator == nullptr) return source.store;
  for (const ReplicaOptions& replica : source.options.replicas) {
    if (replica.name != source.replica_name) continue;
    LS_ASSIGN_OR_RETURN(auto store, open_replica(posix_file_system(), replica));
    return std::shared_ptr<LtxStore>(std::move(store));
  }
  return internal_error("a replica without options");
}

Result<std::vector<ReplicaSource>> sources_named(const std::string& source,
                                                 const std::string& name) {
  LS_ASSIGN_OR_RETURN(auto sources, replica_sources_of(source));
  if (name.empty()) return sources;
  std::string known;
  for (const ReplicaSource& one : sources) {
    known += (known.empty() ? "" : ", ") + one.replica_name;
  }
  std::erase_if(sources, [&](const ReplicaSource& one) { return one.replica_name != name; });
  if (!sources.empty()) return sources;
  return not_found("unknown replica '" + name + "'; known: " + known);
}

Status refuse_remote_in_write(SqlCall& call, const std::vector<ReplicaSource>& sources) {
  for (const ReplicaSource& source : sources) {
    if (source.type != "file") return refuse_in_write_transaction(call.db());
  }
  return {};
}

CallJob::CallJob(SqlCall& call, std::string kind, const ReplicaSource& source)
    : job_(std::move(kind), is_replica_url(source.database) ? source.url : source.database,
           source.replica_name),
      interrupted_(call.cancel_check()) {}

StreamOptions CallJob::options(const RestoreRequest& request, std::shared_ptr<LtxStore> store) {
  StreamOptions options;
  options.parallelism = request.parallelism;
  options.owned_store = std::move(store);
  options.cancelled = [this] { return job_.is_cancelled() || interrupted_(); };
  options.progress = [this](uint64_t done_bytes, uint64_t total_bytes) {
    job_.report(done_bytes, total_bytes);
  };
  return options;
}

int64_t store_lag_ms(const LtxStore& store) { return store.type() == "file" ? 0 : kStoreLagMs; }

Status check_integrity(const std::string& path, bool full, const CancelCheck& cancel) {
  LS_ASSIGN_OR_RETURN(auto connection, OwnConnection::open_immutable(path));
  const auto ask = [](void* context) {
    return (*static_cast<const CancelCheck*>(context))() ? 1 : 0;
  };
  CancelCheck asked = cancel;
  if (asked) sqlite3_progress_handler(connection.get(), kCheckSteps, ask, &asked);
  const auto answer =
      connection.query_text(full ? "PRAGMA integrity_check(1)" : "PRAGMA quick_check(1)");
  sqlite3_progress_handler(connection.get(), 0, nullptr, nullptr);
  if (!answer.ok()) return answer.status();
  if (*answer == "ok") return {};
  return corrupt("the restored database fails its integrity check: " + *answer);
}

}  // namespace litestream
