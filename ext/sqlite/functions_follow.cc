// litestream_follow(source, output [, options]): one step of keeping a copy current.
#include "ext/sqlite/functions.h"
#include "ext/sqlite/remote_call.h"
#include "ext/sqlite/restore_request.h"
#include "ext/sqlite/sqlite_follow_copy.h"

#include "ext/base/clock.h"
#include "ext/engine/follow.h"
#include "ext/engine/follow_state.h"

namespace litestream {
namespace {

constexpr const char* kOptions = "integrity_check, parallelism, replica, timeout_ms";

std::string to_json(const FollowResult& result) {
  return "{\"txid\":\"" + format_txid(result.txid) +
         "\",\"created_at\":" + json_quote(format_rfc3339_ms(result.created_at_ms)) +
         ",\"size\":" + std::to_string(result.size_bytes) +
         ",\"pages\":" + std::to_string(result.page_count) +
         ",\"restored\":" + (result.was_restored ? "true" : "false") +
         ",\"current\":" + (result.is_current ? "true" : "false") + "}";
}

Result<FollowResult> start(LtxStore& store, const std::string& output,
                           const RestoreRequest& request, const StreamOptions& stream) {
  RestoreOptions options;
  options.stream = stream;
  options.store_lag_ms = store_lag_ms(store);
  if (request.integrity_check != "none") {
    options.check = [full = request.integrity_check == "full", cancel = stream.cancelled](
                        const std::string& path) { return check_integrity(path, full, cancel); };
  }
  return start_following(store, posix_file_system(), output, options);
}

}  // namespace

Status run_follow(SqlCall& call) {
  call.report_busy();
  LS_ASSIGN_OR_RETURN(const std::string name, call.text(0, "the source"));
  LS_ASSIGN_OR_RETURN(const std::string output, call.text(1, "the output path"));
  LS_ASSIGN_OR_RETURN(const auto json, call.optional_text(2, "the options"));
  LS_ASSIGN_OR_RETURN(const RestoreRequest request, parse_restore_request(json, kOptions));
  LS_ASSIGN_OR_RETURN(const auto sources, sources_named(name, request.replica));
  LS_RETURN_IF_ERROR(refuse_remote_in_write(call, sources));
  const RemoteCall limits(call.db(), RemoteCall::kNoLimit);
  LS_ASSIGN_OR_RETURN(const auto store, open_private_store(sources[0]));
  CallJob job(call, "follow", sources[0]);
  const StreamOptions stream = job.options(request, store);
  const DatabaseIdentity identity = identity_of(output);
  if (!identity.exists()) {
    LS_ASSIGN_OR_RETURN(const FollowResult result, start(*store, output, request, stream));
    call.result_text(to_json(result));
    return {};
  }
  const bool is_own = identity == call.connection().identity;
  if (is_own && sqlite3_get_autocommit(call.db()) == 0) {
    return invalid_argument("the connection's own database is inside a transaction");
  }
  if (load_follow_state(posix_file_system(), output).status().code() == StatusCode::kNotFound) {
    return already_exists(output + " exists and is not a copy made by litestream_follow (" +
                          follow_state_path(output) + " is missing); choose another path");
  }
  FollowOptions options;
  options.stream = stream;
  options.lock_wait_ms = request.timeout_ms;
  SqliteFollowCopy copy(output);
  LS_ASSIGN_OR_RETURN(const FollowResult result,
                      follow_step(*store, posix_file_system(), copy, output, options));
  call.result_text(to_json(result));
  return {};
}

}  // namespace litestream
