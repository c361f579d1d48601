#include "ext/config/replica_reader.h"

#include <algorithm>

#include "ext/base/limits.h"
#include "ext/config/store_urls.h"
#include "ext/config/url.h"
#include "ext/store/store_factory.h"

namespace litestream {
namespace {

constexpr size_t kNameBytesMax = 256;
constexpr size_t kReplicaCountMax = 16;

bool is_option(std::string_view key) {
  const auto keys = option_keys(KeyScope::kReplica);
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

// Takes a setting out of the list: it became part of the URL.
std::string take_setting(ReplicaOptions* replica, std::string_view key) {
  auto& settings = replica->settings;
  const auto found = std::find_if(settings.begin(), settings.end(),
                                  [&](const auto& setting) { return setting.first == key; });
  if (found == settings.end()) return "";
  std::string text = std::move(found->second);
  settings.erase(found);
  return text;
}

// The setting that the authority of a URL stands for.
std::string_view location_key(std::string_view type) {
  if (type == "sftp") return "host";
  if (type == "webdav") return "webdav-url";
  return type == "file" ? "" : "bucket";
}

}  // namespace

Result<std::vector<ReplicaInProgress>> ReplicaReader::read(const DocumentNode& database,
                                                           OptionsInProgress* out) {
  const DocumentNode* replica = find_value(database, "replica");
  const DocumentNode* replicas = find_value(database, "replicas");
  if (replica != nullptr && replicas != nullptr) {
    return source_.key_error(*replicas, "and 'replica' cannot both be given");
  }
  given_.clear();
  std::vector<ReplicaInProgress> all;
  if (replica != nullptr) {
    LS_ASSIGN_OR_RETURN(auto one, read_one(*replica, out));
    all.push_back(std::move(one));
  } else if (replicas != nullptr) {
    if (replicas->kind != DocumentNode::Kind::kSequence || replicas->items.empty()) {
      return source_.key_error(*replicas, "must be a list of replicas ('- url: ...')");
    }
    if (replicas->items.size() > kReplicaCountMax) {
      return source_.key_error(*replicas, "has more than 16 replicas");
    }
    for (const DocumentNode& item : replicas->items) {
      LS_ASSIGN_OR_RETURN(auto one, read_one(item, out));
      all.push_back(std::move(one));
    }
  } else {
    return source_.error(database.line, "a database needs a 'replica'");
  }
  LS_RETURN_IF_ERROR(name_all(&all));
  return all;
}

Result<ReplicaInProgress> ReplicaReader::read_one(const DocumentNode& node,
                                                  OptionsInProgress* out) {
  LS_RETURN_IF_ERROR(require_map(source_, node, KeyScope::kReplica));
  ReplicaInProgress replica;
  replica.line = node.line;
  for (const DocumentNode& item : node.items) {
    replica.lines.emplace(item.key, item.key_line);
  }
  LS_RETURN_IF_ERROR(read_type(node, &replica));
  LS_RETURN_IF_ERROR(read_settings(node, &replica));
  LS_RETURN_IF_ERROR(build_url(node, &replica));
  LS_RETURN_IF_ERROR(check_store(replica));
  LS_RETURN_IF_ERROR(require_new_url(node, replica));
  if (const DocumentNode* name = find_value(node, "name")) {
    LS_ASSIGN_OR_RETURN(replica.options.name, read_text(source_, *name, kNameBytesMax));
  }
  LS_RETURN_IF_ERROR(read_options(node, out));
  return replica;
}

// `type`, which must be what the URL says, else the URL's scheme, else file.
Status ReplicaReader::read_type(const DocumentNode& node, ReplicaInProgress* replica) const {
  std::string& type = replica->options.type;
  const DocumentNode* url = find_value(node, "url");
  if (url != nullptr) {
    LS_ASSIGN_OR_RETURN(const std::string text, read_text(source_, *url, kUrlBytesMax));
    LS_ASSIGN_OR_RETURN(const ReplicaUrl parsed, source_.at_key(*url, parse_replica_url(text)));
    const Status status = check_scheme(parsed.scheme);
    if (!status.ok()) return source_.at(url->key_line, status.with_context("key 'url'"));
    type = type_of_scheme(parsed.scheme);
  }
  const DocumentNode* given = find_value(node, "type");
  if (given == nullptr) {
    if (type.empty()) type = "file";
    return {};
  }
  LS_ASSIGN_OR_RETURN(const std::string text, read_text(source_, *given, kNameBytesMax));
  const std::string shown = "replica type '" + text.substr(0, 32) + "'";
  if (!type.empty() && text != type && is_store_type(text)) {
    return source_.error(given->key_line, shown + " beside a " + type + " URL");
  }
  const Status status = check_store_type(text);
  if (!status.ok()) return source_.at(given->key_line, status);
  type = text;
  return {};
}

Status ReplicaReader::read_settings(const DocumentNode& node, ReplicaInProgress* replica) const {
  const std::string& type = replica->options.type;
  const bool has_url = find_value(node, "url") != nullptr;
  for (const DocumentNode& item : node.items) {
    if (!is_replica_setting_key(item.key)) continue;
    if (!takes_setting(type, item.key)) {
      return source_.key_error(item, "does not belong to a replica of type " + type);
    }
    if (has_url && item.key == location_key(type)) {
      return source_.key_error(item, "and 'url' cannot both be given");
    }
    LS_ASSIGN_OR_RETURN(ReplicaSetting setting, read_replica_setting(source_, item, env_));
    replica->options.settings.emplace_back(std::move(setting.key), std::move(setting.text));
  }
  for (const ReplicaSetting& setting : defaults_) {
    if (!takes_setting(type, setting.key) || find_value(node, setting.key) != nullptr) continue;
    if (has_url && setting.key == location_key(type)) continue;
    replica->options.settings.emplace_back(setting.key, setting.text);
    replica->lines.emplace(setting.key, setting.line);
  }
  return {};
}

Status ReplicaReader::build_url(const DocumentNode& node, ReplicaInProgress* replica) const {
  const DocumentNode* url = find_value(node, "url");
  const DocumentNode* path = find_value(node, "path");
  if (url != nullptr && path != nullptr) {
    return source_.key_error(*path, "and 'url' cannot both be given");
  }
  if (url == nullptr) return build_url_of_parts(node, replica);
  LS_ASSIGN_OR_RETURN(const std::string text, read_text(source_, *url, kUrlBytesMax));
  LS_ASSIGN_OR_RETURN(replica->options.url, source_.at_key(*url, full_replica_url(text)));
  return {};
}

// From `path` and what says where it is: `bucket`, `host` or `webdav-url`.
Status ReplicaReader::build_url_of_parts(const DocumentNode& node,
                                         ReplicaInProgress* replica) const {
  const std::string& type = replica->options.type;
  const DocumentNode* path = find_value(node, "path");
  std::string path_text;
  if (path != nullptr) {
    LS_ASSIGN_OR_RETURN(path_text, read_path(source_, *path, env_));
  }
  if (type == "file") {
    if (path == nullptr) {
      return source_.error(replica->line, "a replica needs a 'url' or a 'path'");
    }
    LS_ASSIGN_OR_RETURN(replica->options.url, source_.at_key(*path, file_replica_url(path_text)));
    return {};
  }
  const std::string key(location_key(type));
  const std::string location = take_setting(&replica->options, key);
  if (location.empty()) {
    return source_.error(replica->line,
                         "a replica of type " + type + " needs a 'url' or a '" + key + "'");
  }
  auto built = store_url(type, location, path_text);
  if (!built.ok()) return source_.at(replica->line, built.status());
  replica->options.url = std::move(built).value();
  return {};
}

// What the store says about URL and settings, on the line of the key that it names.
Status ReplicaReader::check_store(const ReplicaInProgress& replica) const {
  const Status status = check_store_spec({replica.options.url, replica.options.settings, true});
  if (status.ok()) return {};
  int line = replica.line;
  for (const auto& [key, key_line] : replica.lines) {
    if (status.message().find("'" + key + "'") != std::string::npos) line = key_line;
  }
  return source_.at(line, status);
}

// Options that stand at a replica are the database's: two replicas may not differ.
Status ReplicaReader::read_options(const DocumentNode& node, OptionsInProgress* out) {
  for (const DocumentNode& item : node.items) {
    if (!is_option(item.key)) continue;
    const auto [first, is_new] = given_.emplace(item.key, item.scalar);
    if (!is_new && first->second != item.scalar) {
      return source_.key_error(item,
                               "is the same for all replicas of a database; another one says " +
                                   first->second.substr(0, 32));
    }
    LS_RETURN_IF_ERROR(read_option(source_, item, out));
  }
  return {};
}

Status ReplicaReader::require_new_url(const DocumentNode& node, const ReplicaInProgress& replica) {
  const DocumentNode* target = find_value(node, "url");
  if (target == nullptr) target = find_value(node, "path");
  const int line = target != nullptr ? target->key_line : replica.line;
  // Secrets do not tell two places apart; the service that a bucket belongs to does.
  LS_ASSIGN_OR_RETURN(std::string place, canonical_replica_url(replica.options.url));
  for (const auto& [key, text] : replica.options.settings) {
    if (key == "endpoint" || key == "account-name") place += " " + text;
  }
  const auto [first, is_new] = urls_.emplace(std::move(place), line);
  if (is_new) return {};
  const std::string where = "a replica already (line " + std::to_string(first->second) + ")";
  if (target == nullptr) return source_.error(line, "what this replica names is " + where);
  return source_.key_error(*target, "is " + where);
}

// A replica's `name`, else its type; a second one of a type is "file-2".
Status ReplicaReader::name_all(std::vector<ReplicaInProgress>* replicas) const {
  std::map<std::string, int> names;
  for (const ReplicaInProgress& replica : *replicas) {
    if (replica.options.name.empty()) continue;
    const auto [first, is_new] = names.emplace(replica.options.name, replica.line);
    if (!is_new) {
      return source_.error(replica.line, "two replicas are named '" + replica.options.name +
                                             "' (the other on line " +
                                             std::to_string(first->second) + ")");
    }
  }
  for (ReplicaInProgress& replica : *replicas) {
    std::string& name = replica.options.name;
    if (!name.empty()) continue;
    name = replica.options.type;
    for (int i = 2; !names.emplace(name, replica.line).second; ++i) {
      name = replica.options.type + "-" + std::to_string(i);
    }
  }
  return {};
}

}  // namespace litestream
