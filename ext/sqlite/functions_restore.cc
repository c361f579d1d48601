// litestream_restore(source, output [, options]) and litestream_cancel(job).
#include "ext/sqlite/functions.h"
#include "ext/sqlite/remote_call.h"
#include "ext/sqlite/restore_request.h"

#include "ext/base/clock.h"
#include "ext/engine/plan_times.h"
#include "ext/engine/restore_v3.h"

namespace litestream {
namespace {

constexpr const char* kOptions =
    "txid, timestamp, integrity_check, overwrite, parallelism, replica, generation, "
    "if_db_not_exists, if_replica_exists";

// What the answer says.
struct Answer {
  std::string restored_path;
  std::string txid;  // empty: v0.3 has none
  std::string generation;
  std::string replica;
  int64_t created_at_ms = 0;
  uint64_t size_bytes = 0;
};

std::string text_or_null(const std::string& text) {
  return text.empty() ? "null" : json_quote(text);
}

std::string to_json(const Answer& answer) {
  std::string json = "{\"restored_path\":" + text_or_null(answer.restored_path) +
                     ",\"txid\":" + text_or_null(answer.txid);
  const bool is_done = !answer.restored_path.empty();
  json += ",\"size\":" + (is_done ? std::to_string(answer.size_bytes) : std::string("null"));
  json += ",\"created_at\":" +
          (is_done ? json_quote(format_rfc3339_ms(answer.created_at_ms)) : std::string("null"));
  json += ",\"replica\":" + text_or_null(answer.replica);
  if (!answer.generation.empty()) json += ",\"generation\":" + json_quote(answer.generation);
  return json + "}";
}

Status refuse_in_use(SqlCall& call, const std::string& output) {
  const DatabaseIdentity identity = identity_of(output);
  if (!identity.exists()) return {};
  if (identity != call.connection().identity && !is_live_database(output)) return {};
  return invalid_argument(output + " is a database in use; restore to another path");
}

RestoreOptions restore_options(const RestoreRequest& request, CallJob& job,
                               const std::shared_ptr<LtxStore>& store) {
  RestoreOptions options;
  options.overwrite = request.overwrite;
  options.stream = job.options(request, store);
  options.store_lag_ms = store_lag_ms(*store);
  if (request.integrity_check != "none") {
    options.check = [full = request.integrity_check == "full", cancel = options.stream.cancelled](
                        const std::string& path) { return check_integrity(path, full, cancel); };
  }
  return options;
}

// The replica to restore from: of several the one that reaches furthest (as far as the target
// goes); the first error only if none has a way.
Result<ReplicaSource> choose_source(std::vector<ReplicaSource> sources,
                                    const RestoreRequest& request, SqlCall& call) {
  if (sources.size() == 1) return std::move(sources[0]);
  std::optional<size_t> best;
  Txid reach;
  Status first;
  for (size_t i = 0; i < sources.size(); ++i) {
    LS_ASSIGN_OR_RETURN(const auto store, open_private_store(sources[i]));
    CallJob job(call, "restore", sources[i]);
    const StreamOptions options = job.options(request, store);
    std::vector<LtxFileInfo> files;
    const auto plan = list_and_plan(*store, request.target, options, &files);
    const Status status = plan.status();
    if (plan.ok() && (!best || plan->txid > reach)) {
      best = i;
      reach = plan->txid;
    }
    if (status.code() == StatusCode::kCancelled) return status;
    if (!status.ok() && first.ok()) first = status.with_context(sources[i].replica_name);
  }
  if (best) return std::move(sources[*best]);
  return first;
}

Result<Answer> restore_old(LtxStore& store, const RestoreRequest& request,
                           const std::string& output, const RestoreOptions& options) {
  if (request.target.kind == RestoreTarget::Kind::kTxid) {
    return invalid_argument("a backup of Litestream 0.3 has no TXIDs; give a timestamp or nothing");
  }
  V3Target target{request.generation, {}};
  if (request.target.kind == RestoreTarget::Kind::kTime) target.time_ms = request.target.time_ms;
  LS_ASSIGN_OR_RETURN(const V3RestoreResult done,
                      restore_v3(store, posix_file_system(), target, output, options));
  Answer answer;
  answer.restored_path = done.restored_path;
  answer.generation = done.plan.generation;
  answer.created_at_ms = done.plan.created_at_ms;
  answer.size_bytes = done.size_bytes;
  return answer;
}

Result<Answer> restore_from(const ReplicaSource& source, const RestoreRequest& request,
                            const std::string& output, SqlCall& call) {
  LS_ASSIGN_OR_RETURN(const auto store, open_private_store(source));
  CallJob job(call, "restore", source);
  const RestoreOptions options = restore_options(request, job, store);
  if (!request.generation.empty()) return restore_old(*store, request, output, options);
  auto done = restore_database(*store, posix_file_system(), request.target, output, options);
  if (done.status().code() == StatusCode::kNotFound) {
    done = done.status().with_context(source.url);
  }
  if (done.ok()) {
    return Answer{done->restored_path, format_txid(done->txid), "", "",
                  done->created_at_ms, done->size_bytes};
  }
  if (done.status().code() != StatusCode::kNotFound) return done.status();
  // Without a single LTX file, what 0.3 left behind is all there is.
  LS_ASSIGN_OR_RETURN(const auto files, list_watched(*store, options.stream));
  if (!files.empty()) return done.status();
  const auto generations = store->list_generations();
  if (!generations.ok() || generations->empty()) return done.status();
  return restore_old(*store, request, output, options);
}

// Whether a replica of them holds anything to restore.
Result<bool> has_backup(const std::vector<ReplicaSource>& sources, SqlCall& call) {
  for (const ReplicaSource& source : sources) {
    LS_ASSIGN_OR_RETURN(const auto store, open_private_store(source));
    CallJob job(call, "restore", source);
    LS_ASSIGN_OR_RETURN(const auto files, list_watched(*store, job.options({}, store)));
    if (!files.empty()) return true;
    LS_ASSIGN_OR_RETURN(const auto generations, store->list_generations());
    if (!generations.empty()) return true;
  }
  return false;
}

}  // namespace

Status run_restore(SqlCall& call) {
  LS_ASSIGN_OR_RETURN(const std::string name, call.text(0, "the source"));
  LS_ASSIGN_OR_RETURN(const std::string output, call.text(1, "the output path"));
  LS_ASSIGN_OR_RETURN(const auto json, call.optional_text(2, "the options"));
  LS_ASSIGN_OR_RETURN(const RestoreRequest request, parse_restore_request(json, kOptions));
  LS_ASSIGN_OR_RETURN(auto sources, sources_named(name, request.replica));
  if (request.if_db_not_exists && identity_of(output).exists()) {
    call.result_text(to_json({}));
    return {};
  }
  LS_RETURN_IF_ERROR(refuse_in_use(call, output));
  LS_RETURN_IF_ERROR(refuse_remote_in_write(call, sources));
  const RemoteCall limits(call.db(), RemoteCall::kNoLimit);
  if (request.if_replica_exists) {
    LS_ASSIGN_OR_RETURN(const bool has_one, has_backup(sources, call));
    if (!has_one) {
      call.result_text(to_json({}));
      return {};
    }
  }
  LS_ASSIGN_OR_RETURN(const ReplicaSource source, choose_source(std::move(sources), request, call));
  LS_ASSIGN_OR_RETURN(Answer answer, restore_from(source, request, output, call));
  answer.replica = source.replica_name;
  call.result_text(to_json(answer));
  return {};
}

Status run_cancel(SqlCall& call) {
  LS_ASSIGN_OR_RETURN(const auto id, call.optional_integer(0, "the job", 1, INT64_MAX));
  if (!id) return invalid_argument("the job must not be NULL");
  call.result_integer(cancel_job(*id) ? 1 : 0);
  return {};
}

}  // namespace litestream
