#include "ext/config/url.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>

#include "ext/base/limits.h"
#include "ext/store/store_factory.h"

namespace litestream {
namespace {

constexpr std::string_view kSeparator = "://";
// Query parameters whose values tell nothing that should stay secret.
constexpr std::array<std::string_view, 18> kHarmlessParameters = {"region",
                                                                  "force-path-style",
                                                                  "forcePathStyle",
                                                                  "skip-verify",
                                                                  "skipVerify",
                                                                  "sign-payload",
                                                                  "signPayload",
                                                                  "require-content-md5",
                                                                  "requireContentMD5",
                                                                  "requireContentMd5",
                                                                  "concurrency",
                                                                  "part-size",
                                                                  "partSize",
                                                                  "storage-class",
                                                                  "storageClass",
                                                                  "sse-customer-algorithm",
                                                                  "sseCustomerAlgorithm",
                                                                  "endpoint"};
constexpr char kHex[] = "0123456789ABCDEF";

std::string percent_encode_path(std::string_view path) {
  std::string out;
  for (const char c : path) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte <= ' ' || byte == 0x7F || c == '%' || c == '?' || c == '#') {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  return out;
}

// Bytes of what may be user name and password at the front of "authority/path?query": up to and
// with the '@', or 0. A password may hold an unescaped slash; then the part before that slash looks
// like a host with a port that is no number.
size_t user_info_length(std::string_view rest) {
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  const size_t at = authority.rfind('@');
  if (at != std::string_view::npos) return at + 1;
  const size_t colon = authority.rfind(':');
  if (colon == std::string_view::npos) return 0;
  const std::string_view port = authority.substr(colon + 1);
  const bool is_port =
      std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
  const bool is_ipv6 = authority.starts_with('[');
  if (is_port || is_ipv6) return 0;
  const size_t late_at = rest.rfind('@');
  return late_at == std::string_view::npos ? authority.size() : late_at + 1;
}

bool is_harmless(std::string_view name, std::string_view value) {
  if (std::find(kHarmlessParameters.begin(), kHarmlessParameters.end(), name) ==
      kHarmlessParameters.end()) {
    return false;
  }
  // An endpoint is a URL of its own.
  return value.find_first_of("@%") == std::string_view::npos;
}

std::string redact_query(std::string_view query) {
  std::string out;
  while (true) {
    const size_t end = std::min(query.find('&'), query.size());
    const std::string_view parameter = query.substr(0, end);
    const size_t equals = parameter.find('=');
    if (equals == std::string_view::npos) {
      // Without a name there is no telling what it is.
      out += parameter.empty() ? "" : "***";
    } else {
      const std::string_view name = parameter.substr(0, equals);
      const std::string_view value = parameter.substr(equals + 1);
      out += name;
      out += '=';
      out += is_harmless(name, value) ? value : "***";
    }
    if (end == query.size()) return out;
    out += '&';
    query.remove_prefix(end + 1);
  }
}

Result<std::string> spell_replica_url(std::string_view text, UrlSecrets secrets) {
  LS_ASSIGN_OR_RETURN(const ReplicaUrl url, parse_replica_url(text));
  LS_RETURN_IF_ERROR(check_scheme(url.scheme));
  if (url.scheme != "file") return normalize_store_url(text, secrets);
  if (!url.query.empty()) {
    return invalid_argument("replica URL: file:// takes no parameters (a '?' in a path is %3F)");
  }
  std::string path;
  if (url.authority != "localhost" || url.path.empty()) {
    LS_ASSIGN_OR_RETURN(path, percent_decode(url.authority));
  }
  // "file://host/a" names a file of another machine; neither /a nor host/a is what was meant.
  const bool is_relative = url.path.empty() || path == "." || path == "..";
  if (!path.empty() && !is_relative) {
    return invalid_argument(
        "replica URL: file:// has no host; write file:///a/b for the path /a/b, file://./a/b for "
        "one in the working directory");
  }
  path += url.path;
  if (path.empty()) {
    return invalid_argument(
        "replica URL: file:// needs a path, for example file:///var/backup/app");
  }
  return file_replica_url(path);
}

}  // namespace

bool is_replica_url(std::string_view text) { return url_scheme_length(text) > 0; }

Result<ReplicaUrl> parse_replica_url(std::string_view text) {
  auto url = parse_url(text);
  if (!url.ok()) return url.status().with_context("replica URL");
  return url;
}

Status check_scheme(std::string_view scheme) { return check_store_scheme(scheme); }

Result<std::string> absolute_path(std::string_view path) {
  if (path.empty()) return invalid_argument("the path is empty");
  if (path.find('\0') != std::string_view::npos) return invalid_argument("a path with a zero byte");
  std::string whole(path);
  if (path.front() != '/') {
    char directory[kPathBytesMax + 1];
    if (::getcwd(directory, sizeof directory) == nullptr) {
      return errno_status(errno, "working directory");
    }
    whole = std::string(directory) + "/" + whole;
  }
  std::string clean;
  for (size_t at = 0; at < whole.size();) {
    const size_t end = std::min(whole.find('/', at), whole.size());
    const std::string_view part = std::string_view(whole).substr(at, end - at);
    at = end + 1;
    if (part == "..") {
      clean.resize(clean.empty() ? 0 : clean.rfind('/'));
    } else if (!part.empty() && part != ".") {
      clean += '/';
      clean += part;
    }
  }
  if (clean.empty()) clean = "/";
  if (clean.size() > kPathBytesMax) {
    return invalid_argument("a path of more than " + std::to_string(kPathBytesMax) + " bytes");
  }
  return clean;
}

Result<std::string> file_replica_url(std::string_view path) {
  LS_ASSIGN_OR_RETURN(const std::string absolute, absolute_path(path));
  return "file://" + percent_encode_path(absolute);
}

Result<std::string> canonical_replica_url(std::string_view text) {
  return spell_replica_url(text, UrlSecrets::kDropped);
}

Result<std::string> full_replica_url(std::string_view text) {
  return spell_replica_url(text, UrlSecrets::kKept);
}

std::string redact_url(std::string_view text) {
  const size_t length = url_scheme_length(text);
  if (length == 0) return std::string(text);
  const size_t rest_at = length + kSeparator.size();
  std::string out(text.substr(0, rest_at));
  std::string_view rest = text.substr(rest_at);
  const bool is_file = text.substr(0, length) == "file";
  const size_t user_length = is_file ? 0 : user_info_length(rest);
  if (user_length > 0) out += "***@";
  rest.remove_prefix(user_length);
  const size_t query_at = rest.find_first_of("?#");
  out += rest.substr(0, query_at);
  if (query_at == std::string_view::npos) return out;
  return out + "?" + redact_query(rest.substr(query_at + 1));
}

}  // namespace litestream
