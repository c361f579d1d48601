// From an sftp URL and settings to SftpOptions.
#include <algorithm>

#include "ext/store/digest.h"
#include "ext/store/sftp_store.h"
#include "ext/store/user_info.h"

namespace litestream {
namespace {

const std::vector<StoreParameter>& sftp_parameters() {
  static const auto* const parameters = new std::vector<StoreParameter>{
      {"concurrent-writes"},     {"host-key", false}, {"user", false},
      {"password", false, true}, {"key-path", false},
  };
  return *parameters;
}

std::string text_of(const StoreValues& values, std::string_view name) {
  const std::string* text = values.find(name);
  return text == nullptr ? "" : *text;
}

Result<UserInfo> user_info_of(const Url& url) {
  auto info = parse_user_info(url.authority);
  if (!info.ok()) return info.status().with_context("an sftp URL is sftp://user@host:port/path");
  return info;
}

std::string without_padding(std::string text) {
  while (text.ends_with('=')) text.pop_back();
  return text;
}

Status take_settings(const StoreValues& values, SftpOptions* options) {
  if (values.find("user") != nullptr) options->user_name = text_of(values, "user");
  if (values.find("password") != nullptr) options->password = text_of(values, "password");
  options->key_path = text_of(values, "key-path");
  if (options->user_name.empty()) {
    return invalid_argument("an sftp replica needs a user: sftp://user@host/path, or 'user'");
  }
  const std::string host_key = text_of(values, "host-key");
  if (!host_key.empty()) {
    LS_ASSIGN_OR_RETURN(options->host_key_sha256, host_key_fingerprint(host_key));
  }
  const std::string* text = values.find("concurrent-writes");
  if (text == nullptr || text->empty()) return {};
  LS_ASSIGN_OR_RETURN(options->concurrent_writes, parse_switch_value("concurrent-writes", *text));
  return {};
}

}  // namespace

Result<std::string> host_key_fingerprint(std::string_view text) {
  constexpr std::string_view kPrefix = "SHA256:";
  const Status bad = invalid_argument(
      "'host-key' is the server's public key (\"ssh-ed25519 AAAA...\") or its fingerprint "
      "(\"SHA256:...\"), as ssh-keyscan or ssh-keygen -l show it");
  if (text.starts_with(kPrefix)) {
    const std::string digest = without_padding(std::string(text.substr(kPrefix.size())));
    const auto bytes = base64_decode(digest + "=");
    if (!bytes.ok() || bytes->size() != 32) return bad;
    return digest;
  }
  // "type base64 comment", or a line of known_hosts with names before the type.
  size_t at = text.starts_with("ssh-") || text.starts_with("ecdsa-") ? 0 : text.find(" ssh-");
  if (at == std::string_view::npos) at = text.find(" ecdsa-");
  if (at == std::string_view::npos) return bad;
  text.remove_prefix(at == 0 ? 0 : at + 1);
  const size_t space = text.find(' ');
  if (space == std::string_view::npos) return bad;
  const std::string_view key = text.substr(space + 1);
  const auto bytes = base64_decode(key.substr(0, key.find_first_of(" \r\n")));
  if (!bytes.ok() || bytes->size() < 32) return bad;
  return without_padding(base64_encode(sha256(*bytes)));
}

Result<SftpOptions> resolve_sftp_options(const StoreSpec& spec,
                                         const StoreEnvironment& environment) {
  auto url = parse_url(spec.url);
  if (!url.ok()) return url.status().with_context("sftp URL");
  LS_ASSIGN_OR_RETURN(const StoreValues values,
                      collect_values("sftp", sftp_parameters(), url->query, spec.settings));
  LS_ASSIGN_OR_RETURN(const UserInfo info, user_info_of(*url));
  SftpOptions options;
  options.host_and_port = info.host_and_port;
  options.user_name = info.user_name;
  options.password = info.password;
  LS_RETURN_IF_ERROR(take_settings(values, &options));
  const std::string path = clean_object_prefix(url->path);
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20; };
  if (path.starts_with('~') || std::any_of(path.begin(), path.end(), is_control)) {
    return invalid_argument("the path of an sftp URL is absolute and printable");
  }
  if (!path.empty()) options.root = "/" + path;
  if (spec.ambient_credentials && environment) {
    const auto home = environment("HOME");
    if (home.has_value()) options.known_hosts_path = *home + "/.ssh/known_hosts";
  }
  // A configuration that is only read says nothing of the environment.
  if (environment && options.password.empty() && options.key_path.empty()) {
    return invalid_argument("an sftp replica needs 'password' or 'key-path' beside it");
  }
  LS_ASSIGN_OR_RETURN(options.url, normalize_sftp_url(*url, UrlSecrets::kDropped));
  return options;
}

Result<std::string> normalize_sftp_url(const Url& url, UrlSecrets secrets) {
  LS_ASSIGN_OR_RETURN(const StoreValues values,
                      collect_values("sftp", sftp_parameters(), url.query, {}));
  LS_ASSIGN_OR_RETURN(const UserInfo info, user_info_of(url));
  std::string out = "sftp://" + format_user_info(info, secrets);
  const std::string path = clean_object_prefix(url.path);
  if (!path.empty()) out += "/" + percent_encode(path, Slashes::kKept);
  return out + format_url_query(sftp_parameters(), values, secrets);
}

}  // namespace litestream
