// litestream_verify(source [, options]).
#include "ext/sqlite/functions.h"
#include "ext/sqlite/own_connection.h"
#include "ext/sqlite/source_lookup.h"

#include <stdlib.h>
#include <unistd.h>

#include "ext/base/json.h"
#include "ext/engine/restore.h"
#include "ext/engine/verify.h"

namespace litestream {
namespace {

Result<bool> is_deep(const std::optional<std::string>& json) {
  if (!json) return false;
  LS_ASSIGN_OR_RETURN(const auto options, parse_flat_json_object(*json));
  bool deep = false;
  for (const auto& [key, value] : options) {
    if (key != "deep") return invalid_argument("unknown option '" + key + "'; known: deep");
    if (value.kind != JsonScalar::Kind::kBool) {
      return invalid_argument("option 'deep' must be true or false");
    }
    deep = value.boolean;
  }
  return deep;
}

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

// Restores the newest point and asks SQLite whether it is sound.
Status verify_deeply(LtxStore& store, const CancelCheck& cancel) {
  const ScratchFolder scratch;
  if (!scratch.exists()) return io_error("no temporary folder; set TMPDIR");
  RestoreOptions options;
  options.stream.cancelled = cancel;
  LS_ASSIGN_OR_RETURN(const auto restored,
                      restore_database(store, posix_file_system(), RestoreTarget::newest(),
                                       scratch.file(), options));
  (void)restored;
  LS_ASSIGN_OR_RETURN(auto connection, OwnConnection::open_immutable(scratch.file()));
  LS_ASSIGN_OR_RETURN(const std::string answer, connection.query_text("PRAGMA integrity_check(1)"));
  if (answer == "ok") return {};
  return corrupt("the restored database fails its integrity check: " + answer);
}

}  // namespace

Status run_verify(SqlCall& call) {
  LS_ASSIGN_OR_RETURN(const std::string source, call.text(0, "the source"));
  LS_ASSIGN_OR_RETURN(const auto json, call.optional_text(1, "the options"));
  LS_ASSIGN_OR_RETURN(const bool deep, is_deep(json));
  LS_ASSIGN_OR_RETURN(const auto sources, replica_sources_of(source));
  StreamOptions options;
  options.cancelled = call.cancel_check();
  LS_ASSIGN_OR_RETURN(VerifyReport report, verify_replica(*sources[0].store, options));
  if (deep && report.ok()) {
    const Status sound = verify_deeply(*sources[0].store, options.cancelled);
    if (sound.code() == StatusCode::kCancelled) return sound;
    if (!sound.ok()) report.errors.push_back(sound.message());
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
