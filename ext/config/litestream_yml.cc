#include "ext/config/litestream_yml.h"

#include <algorithm>
#include <map>
#include <utility>

#include "ext/base/document.h"
#include "ext/base/json.h"
#include "ext/base/limits.h"
#include "ext/config/config_keys.h"
#include "ext/config/config_values.h"
#include "ext/config/option_keys.h"
#include "ext/config/replica_reader.h"
#include "ext/config/url.h"

namespace litestream {
namespace {

constexpr size_t kPatternBytesMax = 256;

bool is_option_key(KeyScope scope, std::string_view key) {
  const auto keys = option_keys(scope);
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

bool is_program_key(std::string_view key) {
  const auto keys = program_keys("");
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

// What the caller's defaults change is neither the file's nor built in: line 0 marks it.
OptionsInProgress marked_defaults(const DatabaseOptions& defaults) {
  OptionsInProgress out{defaults, {}};
  const auto built_in = option_values(DatabaseOptions());
  const auto wanted = option_values(defaults);
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i].text != built_in[i].text) out.lines.emplace(std::string(wanted[i].key), 0);
  }
  return out;
}

// Reads one file; every function leaves the finished part in `config_` or returns the first error.
class ConfigReader {
 public:
  ConfigReader(ConfigSource source, const EnvLookup& env, const DatabaseOptions& defaults)
      : source_(std::move(source)),
        env_(env),
        defaults_(marked_defaults(defaults)),
        replicas_(source_, env_, replica_defaults_),
        report_(source_) {}

  Result<Config> read(const DocumentNode& root) {
    config_.path = source_.file_name;
    config_.settings = default_program_settings(env_);
    if (root.kind != DocumentNode::Kind::kNull) {
      LS_RETURN_IF_ERROR(require_map(source_, root, KeyScope::kTop));
      // Defaults may stand below the databases they are for.
      for (const DocumentNode& item : root.items) LS_RETURN_IF_ERROR(read_top_key(item));
    }
    report_.add_program(config_.settings);
    if (const DocumentNode* databases = find_value(root, "dbs")) {
      LS_RETURN_IF_ERROR(read_databases(*databases));
    }
    config_.values = std::move(report_).take();
    return std::move(config_);
  }

 private:
  using Lines = std::map<std::string, int>;  // what must be unique, and where it was first

  Status read_top_key(const DocumentNode& item) {
    if (is_option_key(KeyScope::kTop, item.key)) return read_option(source_, item, &defaults_);
    if (is_program_key(item.key)) {
      return read_program_key(source_, item, env_, &config_.settings);
    }
    if (!is_replica_setting_key(item.key)) return {};
    LS_ASSIGN_OR_RETURN(auto setting, read_replica_setting(source_, item, env_));
    replica_defaults_.push_back(std::move(setting));
    return {};
  }

  Status read_databases(const DocumentNode& databases) {
    if (databases.kind != DocumentNode::Kind::kSequence) {
      return source_.key_error(databases, "must be a list of databases ('- path: ...')");
    }
    for (const DocumentNode& item : databases.items) LS_RETURN_IF_ERROR(read_entry(item));
    return {};
  }

  // One database, or one directory of them.
  Status read_entry(const DocumentNode& node) {
    LS_RETURN_IF_ERROR(require_map(source_, node, KeyScope::kDatabase));
    OptionsInProgress database = defaults_;
    for (const DocumentNode& item : node.items) {
      if (!is_option_key(KeyScope::kDatabase, item.key)) continue;
      LS_RETURN_IF_ERROR(read_option(source_, item, &database));
    }
    const DocumentNode* path = find_value(node, "path");
    const DocumentNode* dir = find_value(node, "dir");
    if (path != nullptr && dir != nullptr) {
      return source_.key_error(*dir, "and 'path' cannot both be given");
    }
    if (dir != nullptr) return read_directory(node, *dir, std::move(database));
    if (path == nullptr) return source_.error(node.line, "a database needs a 'path'");
    LS_RETURN_IF_ERROR(
        refuse_keys(node, {"pattern", "recursive", "watch", "meta-dir"}, "belongs to a 'dir'"));
    return read_database(node, *path, std::move(database));
  }

  Status read_database(const DocumentNode& node, const DocumentNode& path,
                       OptionsInProgress database) {
    DatabaseOptions& options = database.options;
    LS_ASSIGN_OR_RETURN(options.path, read_path(source_, path, env_));
    LS_RETURN_IF_ERROR(require_new(&paths_, options.path, path, "database"));
    if (const DocumentNode* meta_path = find_value(node, "meta-path")) {
      LS_ASSIGN_OR_RETURN(options.meta_path, read_path(source_, *meta_path, env_));
      LS_RETURN_IF_ERROR(require_new(&meta_paths_, options.meta_path, *meta_path, "meta-path"));
      database.lines.insert_or_assign("meta-path", meta_path->key_line);
    }
    const std::string name = options.path;
    LS_RETURN_IF_ERROR(read_replicas(node, name, &database));
    config_.databases.push_back(std::move(database.options));
    return {};
  }

  Status read_directory(const DocumentNode& node, const DocumentNode& dir,
                        OptionsInProgress database) {
    LS_RETURN_IF_ERROR(refuse_keys(node, {"meta-path"}, "belongs to a 'path'; write 'meta-dir'"));
    DirectoryOptions directory;
    directory.line = dir.key_line;
    LS_ASSIGN_OR_RETURN(directory.dir, read_path(source_, dir, env_));
    const DocumentNode* pattern = find_value(node, "pattern");
    if (pattern == nullptr) {
      return source_.error(dir.key_line, "a 'dir' needs a 'pattern', for example \"*.db\"");
    }
    LS_ASSIGN_OR_RETURN(directory.pattern, read_text(source_, *pattern, kPatternBytesMax));
    if (directory.pattern.find('/') != std::string::npos) {
      return source_.key_error(*pattern, "is for file names: it may not hold a '/'");
    }
    if (const DocumentNode* recursive = find_value(node, "recursive")) {
      LS_ASSIGN_OR_RETURN(directory.recursive, read_switch(source_, *recursive));
    }
    if (const DocumentNode* watch = find_value(node, "watch")) {
      LS_ASSIGN_OR_RETURN(directory.watch, read_switch(source_, *watch));
    }
    if (const DocumentNode* meta_dir = find_value(node, "meta-dir")) {
      LS_ASSIGN_OR_RETURN(directory.meta_dir, read_path(source_, *meta_dir, env_));
      LS_RETURN_IF_ERROR(require_new(&meta_paths_, directory.meta_dir, *meta_dir, "meta-dir"));
    }
    const std::string name = path_join(directory.dir, directory.pattern);
    LS_RETURN_IF_ERROR(require_new(&paths_, name, dir, "directory"));
    KeyLines lines;
    for (const DocumentNode& item : node.items) lines.emplace(item.key, item.key_line);
    report_.add_directory(name, directory, lines);
    LS_RETURN_IF_ERROR(read_replicas(node, name, &database));
    directory.options = std::move(database.options);
    config_.directories.push_back(std::move(directory));
    return {};
  }

  // The replicas of one entry; with them the entry is complete and can be checked as a whole.
  Status read_replicas(const DocumentNode& node, const std::string& name,
                       OptionsInProgress* database) {
    LS_ASSIGN_OR_RETURN(auto replicas, replicas_.read(node, database));
    for (const ReplicaInProgress& replica : replicas) {
      database->options.replicas.push_back(replica.options);
    }
    const Status status = validate_options(database->options);
    if (!status.ok()) return source_.at(node.line, status.with_context(name));
    report_.add_database(name, *database);
    for (const ReplicaInProgress& replica : replicas) report_.add_replica(name, replica);
    return {};
  }

  Status refuse_keys(const DocumentNode& node, std::initializer_list<std::string_view> keys,
                     const char* why) const {
    for (const std::string_view key : keys) {
      if (const DocumentNode* item = find_value(node, key)) return source_.key_error(*item, why);
    }
    return {};
  }

  // The same path in another spelling is the same; links are resolved when a database is opened.
  Status require_new(Lines* lines, const std::string& path, const DocumentNode& item,
                     const char* what) {
    LS_ASSIGN_OR_RETURN(std::string absolute, source_.at_key(item, absolute_path(path)));
    const auto [first, is_new] = lines->emplace(std::move(absolute), item.key_line);
    if (is_new) return {};
    return source_.error(item.key_line, std::string(what) + " '" + path +
                                            "' is given twice (first on line " +
                                            std::to_string(first->second) + ")");
  }

  const ConfigSource source_;
  const EnvLookup& env_;
  OptionsInProgress defaults_;
  std::vector<ReplicaSetting> replica_defaults_;
  ReplicaReader replicas_;
  ConfigReport report_;
  Config config_;
  Lines paths_;
  Lines meta_paths_;
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
  ConfigReader reader({file_name, std::move(expanded.variables)}, env, defaults);
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
  OptionsInProgress changed{*options, {}};
  for (const DocumentNode& item : root.items) {
    if (is_option_key(KeyScope::kOptionsJson, item.key)) {
      LS_RETURN_IF_ERROR(read_option(source, item, &changed));
    } else if (item.key == "meta-path") {
      if (!item.quoted) return source.key_error(item, "must be a string");
      LS_ASSIGN_OR_RETURN(changed.options.meta_path, read_text(source, item, kPathBytesMax));
    }
  }
  LS_RETURN_IF_ERROR(validate_options(changed.options));
  *options = std::move(changed.options);
  return {};
}

}  // namespace litestream
