#include "ext/config/litestream_yml.h"

#include <map>
#include <utility>

#include "ext/base/document.h"
#include "ext/base/json.h"
#include "ext/base/limits.h"
#include "ext/config/config_keys.h"
#include "ext/config/config_values.h"
#include "ext/config/url.h"

namespace litestream {
namespace {

constexpr size_t kAddressBytesMax = 256;
constexpr size_t kNameBytesMax = 256;

// Reads one file; every function leaves the finished part in `config_` or returns the first error.
class ConfigReader {
 public:
  ConfigReader(ConfigSource source, const EnvLookup& env, const DatabaseOptions& defaults)
      : source_(std::move(source)), env_(env), defaults_(defaults) {}

  Result<Config> read(const DocumentNode& root) {
    config_.path = source_.file_name;
    if (root.kind == DocumentNode::Kind::kNull) return std::move(config_);
    LS_RETURN_IF_ERROR(require_map(source_, root, KeyScope::kTop));
    // Defaults may stand below the databases they are for.
    for (const DocumentNode& item : root.items) LS_RETURN_IF_ERROR(read_top_key(item));
    if (const DocumentNode* databases = find_value(root, "dbs")) {
      LS_RETURN_IF_ERROR(read_databases(*databases));
    }
    return std::move(config_);
  }

 private:
  using Lines = std::map<std::string, int>;  // what must be unique, and where it was first

  Status read_top_key(const DocumentNode& item) {
    if (is_option_key(item.key)) return read_option(source_, item, &defaults_);
    if (item.key == "logging") return read_logging(item);
    if (item.key == "mcp-addr") {
      LS_ASSIGN_OR_RETURN(config_.mcp_addr, read_text(source_, item, kAddressBytesMax));
    }
    return {};
  }

  Status read_logging(const DocumentNode& logging) {
    LS_RETURN_IF_ERROR(require_map(source_, logging, KeyScope::kLogging));
    const DocumentNode* level = find_value(logging, "level");
    if (level == nullptr) return {};
    LS_ASSIGN_OR_RETURN(std::string text, read_text(source_, *level, kNameBytesMax));
    for (char& c : text) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    static constexpr std::pair<std::string_view, LogLevel> kLevels[] = {
        {"debug", LogLevel::kDebug},
        {"info", LogLevel::kInfo},
        {"warn", LogLevel::kWarning},
        {"warning", LogLevel::kWarning},
        {"error", LogLevel::kError}};
    for (const auto& [name, value] : kLevels) {
      if (name != text) continue;
      config_.log_level = value;
      return {};
    }
    return source_.key_error(*level, "must be debug, info, warn or error");
  }

  Status read_databases(const DocumentNode& databases) {
    if (databases.kind != DocumentNode::Kind::kSequence) {
      return source_.key_error(databases, "must be a list of databases ('- path: ...')");
    }
    for (const DocumentNode& item : databases.items) LS_RETURN_IF_ERROR(read_database(item));
    return {};
  }

  Status read_database(const DocumentNode& node) {
    LS_RETURN_IF_ERROR(require_map(source_, node, KeyScope::kDatabase));
    DatabaseOptions options = defaults_;
    for (const DocumentNode& item : node.items) {
      if (is_option_key(item.key)) {
        LS_RETURN_IF_ERROR(read_option(source_, item, &options));
      } else if (item.key == "path") {
        LS_ASSIGN_OR_RETURN(options.path, read_path(item));
      } else if (item.key == "meta-path") {
        LS_ASSIGN_OR_RETURN(options.meta_path, read_path(item));
      }
    }
    const DocumentNode* path = find_value(node, "path");
    if (path == nullptr) return source_.error(node.line, "a database needs a 'path'");
    LS_RETURN_IF_ERROR(require_new(&paths_, options.path, *path, "database"));
    if (const DocumentNode* meta_path = find_value(node, "meta-path")) {
      LS_RETURN_IF_ERROR(require_new(&meta_paths_, options.meta_path, *meta_path, "meta-path"));
    }
    LS_RETURN_IF_ERROR(read_replicas(node, &options));
    config_.databases.push_back(std::move(options));
    return {};
  }

  Status read_replicas(const DocumentNode& database, DatabaseOptions* options) {
    const DocumentNode* replica = find_value(database, "replica");
    const DocumentNode* replicas = find_value(database, "replicas");
    if (replica != nullptr && replicas != nullptr) {
      return source_.key_error(*replicas, "and 'replica' cannot both be given");
    }
    if (replicas != nullptr) {
      if (replicas->kind != DocumentNode::Kind::kSequence || replicas->items.empty()) {
        return source_.key_error(*replicas, "must be a list of replicas ('- url: ...')");
      }
      if (replicas->items.size() > 1) {
        return source_.at(replicas->items[1].line,
                          unsupported("several replicas of one database are not supported yet"));
      }
      replica = &replicas->items.front();
    }
    if (replica == nullptr) return source_.error(database.line, "a database needs a 'replica'");
    return read_replica(*replica, options);
  }

  Status read_replica(const DocumentNode& node, DatabaseOptions* options) {
    LS_RETURN_IF_ERROR(require_map(source_, node, KeyScope::kReplica));
    ReplicaOptions replica;
    const DocumentNode* url = find_value(node, "url");
    const DocumentNode* path = find_value(node, "path");
    if (url == nullptr && path == nullptr) {
      return source_.error(node.line, "a replica needs a 'url' or a 'path'");
    }
    if (url != nullptr && path != nullptr) {
      return source_.key_error(*path, "and 'url' cannot both be given");
    }
    LS_RETURN_IF_ERROR(read_replica_type(node, url, &replica));
    if (url != nullptr) {
      LS_ASSIGN_OR_RETURN(const std::string text, read_text(source_, *url, kUrlBytesMax));
      LS_ASSIGN_OR_RETURN(replica.url, at_key(*url, canonical_replica_url(text)));
    } else {
      LS_ASSIGN_OR_RETURN(const std::string text, read_path(*path));
      LS_ASSIGN_OR_RETURN(replica.url, at_key(*path, file_replica_url(text)));
    }
    const DocumentNode& target = url != nullptr ? *url : *path;
    const auto [first, is_new] = replica_urls_.emplace(replica.url, target.key_line);
    if (!is_new) {
      return source_.key_error(target, "is another database's replica already (line " +
                                           std::to_string(first->second) + ")");
    }
    replica.name = replica.type;
    if (const DocumentNode* name = find_value(node, "name")) {
      LS_ASSIGN_OR_RETURN(replica.name, read_text(source_, *name, kNameBytesMax));
    }
    if (const DocumentNode* interval = find_value(node, "sync-interval")) {
      LS_RETURN_IF_ERROR(read_option(source_, *interval, options));
    }
    options->replicas = {std::move(replica)};
    return {};
  }

  // `type`, which must be what the URL says, else the URL's scheme, else file.
  Status read_replica_type(const DocumentNode& node, const DocumentNode* url,
                           ReplicaOptions* replica) {
    replica->type = "file";
    if (url != nullptr) {
      LS_ASSIGN_OR_RETURN(const std::string text, read_text(source_, *url, kUrlBytesMax));
      LS_ASSIGN_OR_RETURN(const ReplicaUrl parsed, at_key(*url, parse_replica_url(text)));
      const Status status = check_scheme(parsed.scheme);
      if (!status.ok()) return source_.at(url->key_line, status.with_context("key 'url'"));
      replica->type = parsed.scheme;
    }
    const DocumentNode* type = find_value(node, "type");
    if (type == nullptr) return {};
    LS_ASSIGN_OR_RETURN(const std::string text, read_text(source_, *type, kNameBytesMax));
    if (text == replica->type) return {};
    return source_.at(type->key_line, wrong_type(text, replica->type));
  }

  // A path that is not empty and no URL, with "~/" replaced by the home folder.
  Result<std::string> read_path(const DocumentNode& item) {
    LS_ASSIGN_OR_RETURN(std::string path, read_text(source_, item, kPathBytesMax));
    if (is_replica_url(path)) return source_.key_error(item, "must be a path, not a URL");
    if (path == "~" || path.starts_with("~/")) {
      const EnvLookup lookup = env_ ? env_ : process_environment();
      const std::optional<std::string> home = lookup("HOME");
      if (!home || home->empty()) {
        return source_.key_error(item, "begins with ~, but HOME is not set");
      }
      path.replace(0, 1, *home);
    }
    return path;
  }

  // Why `type` cannot stand beside a URL or path of `actual`.
  static Status wrong_type(std::string_view type, const std::string& actual) {
    const StatusCode code = check_scheme(type).code();
    const std::string name = "replica type '" + std::string(type.substr(0, 32)) + "'";
    if (code == StatusCode::kUnsupported) {
      return unsupported(name + " is not supported yet; supported: file");
    }
    if (code == StatusCode::kOk) return invalid_argument(name + " beside a " + actual + " URL");
    return invalid_argument("unknown " + name + "; supported: file");
  }

  template <typename T>
  Result<T> at_key(const DocumentNode& item, Result<T> result) const {
    if (result.ok()) return result;
    return source_.at(item.key_line, result.status().with_context("key '" + item.key + "'"));
  }

  // The same path in another spelling is the same; links are resolved when a database is opened.
  Status require_new(Lines* lines, const std::string& path, const DocumentNode& item,
                     const char* what) {
    LS_ASSIGN_OR_RETURN(std::string absolute, at_key(item, absolute_path(path)));
    const auto [first, is_new] = lines->emplace(std::move(absolute), item.key_line);
    if (is_new) return {};
    return source_.error(item.key_line, std::string(what) + " '" + path +
                                            "' is given twice (first on line " +
                                            std::to_string(first->second) + ")");
  }

  const ConfigSource source_;
  const EnvLookup& env_;
  DatabaseOptions defaults_;
  Config config_;
  Lines paths_;
  Lines meta_paths_;
  Lines replica_urls_;
};

}  // namespace

Result<Config> parse_config(std::string_view yaml_text, const std::string& file_name,
                            const EnvLookup& env, const DatabaseOptions& defaults) {
  if (yaml_text.size() > kConfigBytesMax) {
    return invalid_argument(file_name + ": longer than " + std::to_string(kConfigBytesMax) +
                            " bytes");
  }
  ExpandedText expanded = expand_environment(yaml_text, env);
  LS_ASSIGN_OR_RETURN(const DocumentNode root, parse_document(expanded.text, file_name));
  ConfigReader reader({file_name, std::move(expanded.unset)}, env, defaults);
  return reader.read(root);
}

Result<Config> load_config(FileSystem& fs, const std::string& path, const EnvLookup& env,
                           const DatabaseOptions& defaults) {
  LS_ASSIGN_OR_RETURN(const std::string text, read_small_file(fs, path, kConfigBytesMax));
  return parse_config(text, path, env, defaults);
}

Status apply_options_json(std::string_view json, DatabaseOptions* options) {
  LS_ASSIGN_OR_RETURN(const DocumentNode root, parse_json(json));
  if (root.kind != DocumentNode::Kind::kMap) {
    return invalid_argument(
        "options must be a JSON object, for example {\"sync-interval\":\"50ms\"}");
  }
  const ConfigSource source;
  LS_RETURN_IF_ERROR(require_map(source, root, KeyScope::kOptionsJson));
  DatabaseOptions changed = *options;
  for (const DocumentNode& item : root.items) {
    if (is_option_key(item.key)) {
      LS_RETURN_IF_ERROR(read_option(source, item, &changed));
    } else if (item.key == "meta-path") {
      if (!item.quoted) return source.key_error(item, "must be a string");
      LS_ASSIGN_OR_RETURN(changed.meta_path, read_text(source, item, kPathBytesMax));
    }
  }
  *options = std::move(changed);
  return {};
}

}  // namespace litestream
