// litestream_restore(source, output [, options]).
#include "ext/sqlite/functions.h"
#include "ext/sqlite/own_connection.h"
#include "ext/sqlite/source_lookup.h"

#include "ext/base/clock.h"
#include "ext/base/json.h"
#include "ext/engine/restore.h"

namespace litestream {
namespace {

struct Request {
  RestoreTarget target;
  std::string integrity_check = "none";
  bool overwrite = false;
};

Result<std::string> string_of(const std::string& key, const JsonScalar& value) {
  if (value.kind == JsonScalar::Kind::kString) return value.text;
  return invalid_argument("option '" + key + "' must be a string");
}

Status apply_option(const std::string& key, const JsonScalar& value, Request* request) {
  if (key == "overwrite") {
    if (value.kind != JsonScalar::Kind::kBool) {
      return invalid_argument("option 'overwrite' must be true or false");
    }
    request->overwrite = value.boolean;
    return {};
  }
  if (key != "txid" && key != "timestamp" && key != "integrity_check") {
    return invalid_argument("unknown option '" + key +
                            "'; known: txid, timestamp, integrity_check, overwrite");
  }
  LS_ASSIGN_OR_RETURN(const std::string text, string_of(key, value));
  if (key == "integrity_check") {
    if (text != "none" && text != "quick" && text != "full") {
      return invalid_argument("option 'integrity_check' must be none, quick or full");
    }
    request->integrity_check = text;
    return {};
  }
  if (request->target.kind != RestoreTarget::Kind::kNewest) {
    return invalid_argument("give txid or timestamp, not both");
  }
  if (key == "txid") {
    LS_ASSIGN_OR_RETURN(const Txid txid, parse_txid(text));
    request->target = RestoreTarget::at_txid(txid);
  } else {
    LS_ASSIGN_OR_RETURN(const int64_t time_ms, parse_rfc3339_ms(text));
    request->target = RestoreTarget::at_time(time_ms);
  }
  return {};
}

Result<Request> parse_request(const std::optional<std::string>& json) {
  Request request;
  if (!json) return request;
  LS_ASSIGN_OR_RETURN(const auto options, parse_flat_json_object(*json));
  for (const auto& [key, value] : options) {
    if (value.kind == JsonScalar::Kind::kNull) continue;
    LS_RETURN_IF_ERROR(apply_option(key, value, &request));
  }
  return request;
}

Status check_integrity(const std::string& path, bool full) {
  LS_ASSIGN_OR_RETURN(auto connection, OwnConnection::open_immutable(path));
  LS_ASSIGN_OR_RETURN(
      const std::string answer,
      connection.query_text(full ? "PRAGMA integrity_check(1)" : "PRAGMA quick_check(1)"));
  if (answer == "ok") return {};
  return corrupt("the restored database fails its integrity check: " + answer);
}

}  // namespace

Status run_restore(SqlCall& call) {
  LS_ASSIGN_OR_RETURN(const std::string source, call.text(0, "the source"));
  LS_ASSIGN_OR_RETURN(const std::string output, call.text(1, "the output path"));
  LS_ASSIGN_OR_RETURN(const auto json, call.optional_text(2, "the options"));
  LS_ASSIGN_OR_RETURN(const Request request, parse_request(json));
  LS_ASSIGN_OR_RETURN(const auto sources, replica_sources_of(source));
  if (identity_of(output).exists() &&
      (identity_of(output) == call.connection().identity || is_live_database(output))) {
    return invalid_argument(output + " is a database in use; restore to another path");
  }
  RestoreOptions options;
  options.overwrite = request.overwrite;
  options.stream.cancelled = call.cancel_check();
  if (request.integrity_check != "none") {
    options.check = [full = request.integrity_check == "full"](const std::string& path) {
      return check_integrity(path, full);
    };
  }
  LS_ASSIGN_OR_RETURN(
      const RestoreResult result,
      restore_database(*sources[0].store, posix_file_system(), request.target, output, options));
  call.result_text("{\"restored_path\":" + json_quote(result.restored_path) + ",\"txid\":\"" +
                   format_txid(result.txid) + "\",\"size\":" + std::to_string(result.size_bytes) +
                   "}");
  return {};
}

}  // namespace litestream
