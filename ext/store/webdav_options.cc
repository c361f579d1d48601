// From a webdav URL and settings to WebdavOptions.
#include "ext/store/user_info.h"
#include "ext/store/webdav_store.h"

namespace litestream {
namespace {

const std::vector<StoreParameter>& webdav_parameters() {
  static const auto* const parameters = new std::vector<StoreParameter>{
      {"skip-verify"},
      {"webdav-username", false},
      {"webdav-password", false, true},
  };
  return *parameters;
}

std::string text_of(const StoreValues& values, std::string_view name) {
  const std::string* text = values.find(name);
  return text == nullptr ? "" : *text;
}

Result<UserInfo> user_info_of(const Url& url) {
  auto info = parse_user_info(url.authority);
  if (!info.ok()) {
    return info.status().with_context("a webdav URL is webdav://user@host:port/path");
  }
  return info;
}

}  // namespace

Result<WebdavOptions> resolve_webdav_options(const StoreSpec& spec,
                                             const StoreEnvironment& environment) {
  auto url = parse_url(spec.url);
  if (!url.ok()) return url.status().with_context("webdav URL");
  LS_ASSIGN_OR_RETURN(const StoreValues values,
                      collect_values("webdav", webdav_parameters(), url->query, spec.settings));
  LS_ASSIGN_OR_RETURN(const UserInfo info, user_info_of(*url));
  WebdavOptions options;
  options.origin = (url->scheme == "webdavs" ? "https://" : "http://") + info.host_and_port;
  const std::string path = clean_object_prefix(url->path);
  if (!path.empty()) options.root = "/" + path;
  options.user_name = info.user_name;
  options.password = info.password;
  if (values.find("webdav-username") != nullptr) {
    options.user_name = text_of(values, "webdav-username");
    options.password.clear();
  }
  if (values.find("webdav-password") != nullptr) {
    options.password = text_of(values, "webdav-password");
  }
  // What Basic authentication cannot tell apart.
  if (options.user_name.find(':') != std::string::npos) {
    return invalid_argument("a WebDAV user name holds no ':'");
  }
  if (const std::string* text = values.find("skip-verify"); text != nullptr && !text->empty()) {
    LS_ASSIGN_OR_RETURN(options.skip_verify, parse_switch_value("skip-verify", *text));
  }
  options.spill_directory = "/var/tmp";
  if (environment) options.spill_directory = environment("TMPDIR").value_or("/var/tmp");
  LS_ASSIGN_OR_RETURN(options.url, normalize_webdav_url(*url, UrlSecrets::kDropped));
  return options;
}

Result<std::string> normalize_webdav_url(const Url& url, UrlSecrets secrets) {
  LS_ASSIGN_OR_RETURN(const StoreValues values,
                      collect_values("webdav", webdav_parameters(), url.query, {}));
  LS_ASSIGN_OR_RETURN(const UserInfo info, user_info_of(url));
  std::string out = url.scheme + "://" + format_user_info(info, secrets);
  const std::string path = clean_object_prefix(url.path);
  if (!path.empty()) out += "/" + percent_encode(path, Slashes::kKept);
  return out + format_url_query(webdav_parameters(), values, secrets);
}

}  // namespace litestream
