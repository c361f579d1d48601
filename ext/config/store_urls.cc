#include "ext/config/store_urls.h"

#include <algorithm>

#include "ext/base/url.h"
#include "ext/config/replica_keys.h"
#include "ext/config/url.h"
#include "ext/store/store_spec.h"

namespace litestream {
namespace {

constexpr std::string_view kHttp = "http://";
constexpr std::string_view kHttps = "https://";

// Slashes at neither end.
std::string_view trim_slashes(std::string_view path) {
  while (path.starts_with('/')) path.remove_prefix(1);
  while (path.ends_with('/')) path.remove_suffix(1);
  return path;
}

// "" or "?" and what is left of the URL's query without `ambient-credentials`, which it reads.
Result<std::string> take_ambient_credentials(std::string_view query, bool* ambient) {
  std::string rest;
  while (!query.empty()) {
    const size_t end = std::min(query.find('&'), query.size());
    const std::string_view parameter = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    const size_t equals = std::min(parameter.find('='), parameter.size());
    LS_ASSIGN_OR_RETURN(const std::string name, percent_decode(parameter.substr(0, equals)));
    if (name != "ambient-credentials" && name != "ambientCredentials") {
      rest += (rest.empty() ? "?" : "&") + std::string(parameter);
      continue;
    }
    LS_ASSIGN_OR_RETURN(const std::string value,
                        percent_decode(parameter.substr(std::min(equals + 1, parameter.size()))));
    LS_ASSIGN_OR_RETURN(const bool allowed, parse_switch_value(name, value));
    *ambient = *ambient && allowed;
  }
  return rest;
}

bool is_authority_char(char c) {
  const bool is_alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  return is_alnum || std::string_view("-._:[]").find(c) != std::string_view::npos;
}

}  // namespace

std::string type_of_scheme(std::string_view scheme) {
  return std::string(scheme == "webdavs" ? "webdav" : scheme);
}

Status check_store_type(std::string_view type) {
  const Status status = check_scheme(type);
  if (status.ok()) return {};
  const std::string shown = "replica type '" + std::string(type.substr(0, 32)) + "'";
  std::string supported = status.message();
  const size_t at = supported.find("supported: ");
  supported = at == std::string::npos ? "" : "; " + supported.substr(at);
  if (is_store_type(type))
    return unsupported(shown + " is not supported by this build" + supported);
  return invalid_argument("unknown " + shown + supported);
}

Result<std::string> store_url(std::string_view type, std::string_view location,
                              std::string_view path) {
  std::string url;
  if (type == "webdav") {
    const bool is_https = location.starts_with(kHttps);
    if (!is_https && !location.starts_with(kHttp)) {
      return invalid_argument("the 'webdav-url' must begin with http:// or https://");
    }
    location.remove_prefix(is_https ? kHttps.size() : kHttp.size());
    url =
        std::string(is_https ? "webdavs" : "webdav") + "://" + std::string(trim_slashes(location));
  } else {
    if (!std::all_of(location.begin(), location.end(), is_authority_char)) {
      return invalid_argument("the '" + std::string(type == "sftp" ? "host" : "bucket") +
                              "' holds characters that no such name has");
    }
    url = std::string(type) + "://" + std::string(location);
  }
  const std::string_view below = trim_slashes(path);
  if (!below.empty()) url += "/" + percent_encode(below, Slashes::kKept);
  return full_replica_url(url);
}

Result<ReplicaOptions> replica_of_url(std::string_view url) {
  ReplicaOptions replica;
  LS_ASSIGN_OR_RETURN(const ReplicaUrl parsed, parse_replica_url(url));
  const size_t query_at = std::min(url.find('?'), url.size());
  auto query = take_ambient_credentials(url.substr(std::min(query_at + 1, url.size())),
                                        &replica.ambient_credentials);
  if (!query.ok()) return query.status().with_context("replica URL");
  LS_ASSIGN_OR_RETURN(replica.url, full_replica_url(std::string(url.substr(0, query_at)) + *query));
  replica.name = replica.type = type_of_scheme(parsed.scheme);
  return replica;
}

Result<std::string> url_below(std::string_view url, std::string_view relative_path) {
  const size_t query_at = std::min(url.find('?'), url.size());
  std::string out(url.substr(0, query_at));
  while (out.ends_with('/')) out.pop_back();
  out += "/" + percent_encode(trim_slashes(relative_path), Slashes::kKept) +
         std::string(url.substr(query_at));
  return full_replica_url(out);
}

}  // namespace litestream
