#include "ext/config/url.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>

#include "ext/base/limits.h"

namespace litestream {
namespace {

constexpr std::string_view kSeparator = "://";
constexpr std::array<std::string_view, 8> kSchemesOfUpstream = {"s3",   "gs",  "abs",    "sftp",
                                                                "nats", "oss", "webdav", "webdavs"};
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

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Bytes of the scheme at the front of `text`; 0 if it does not begin with "<scheme>://".
size_t scheme_length(std::string_view text) {
  const size_t length = text.find(kSeparator);
  if (length == std::string_view::npos) return 0;
  for (size_t i = 0; i < length; ++i) {
    const char c = text[i];
    const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool is_other = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
    if (!is_letter && (i == 0 || !is_other)) return 0;
  }
  return length;
}

Result<std::string> percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return invalid_argument("replica URL: '%' needs two hex digits (a percent sign is %25)");
      }
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    if (c == '\0') return invalid_argument("replica URL: holds a zero byte");
    out += c;
  }
  return out;
}

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

Status parse_query(std::string_view text, ReplicaUrl* url) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('&'), text.size());
    std::string parameter(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (parameter.empty()) continue;
    std::replace(parameter.begin(), parameter.end(), '+', ' ');
    const std::string_view whole = parameter;
    const size_t equals = std::min(whole.find('='), whole.size());
    LS_ASSIGN_OR_RETURN(std::string name, percent_decode(whole.substr(0, equals)));
    LS_ASSIGN_OR_RETURN(std::string value,
                        percent_decode(whole.substr(std::min(equals + 1, whole.size()))));
    url->query.emplace_back(std::move(name), std::move(value));
  }
  return {};
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

}  // namespace

bool is_replica_url(std::string_view text) { return scheme_length(text) > 0; }

Result<ReplicaUrl> parse_replica_url(std::string_view text) {
  if (text.size() > kUrlBytesMax) {
    return invalid_argument("replica URL: longer than " + std::to_string(kUrlBytesMax) + " bytes");
  }
  const size_t length = scheme_length(text);
  if (length == 0) {
    return invalid_argument("replica URL: needs a scheme, for example file:///var/backup/app");
  }
  ReplicaUrl url;
  for (const char c : text.substr(0, length)) {
    url.scheme += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  std::string_view rest = text.substr(length + kSeparator.size());
  if (rest.find('#') != std::string_view::npos) {
    return invalid_argument("replica URL: has a fragment (a '#' in a path is %23)");
  }
  const size_t query_at = std::min(rest.find('?'), rest.size());
  if (query_at < rest.size()) LS_RETURN_IF_ERROR(parse_query(rest.substr(query_at + 1), &url));
  rest = rest.substr(0, query_at);
  const size_t path_at = std::min(rest.find('/'), rest.size());
  url.authority = rest.substr(0, path_at);
  LS_ASSIGN_OR_RETURN(url.path, percent_decode(rest.substr(path_at)));
  return url;
}

Status check_scheme(std::string_view scheme) {
  if (scheme == "file") return {};
  const std::string name(scheme.substr(0, 32));
  if (std::find(kSchemesOfUpstream.begin(), kSchemesOfUpstream.end(), scheme) !=
      kSchemesOfUpstream.end()) {
    return unsupported("replica URL scheme '" + name + "' is not supported yet; supported: file");
  }
  return invalid_argument("unknown replica URL scheme '" + name + "'; supported: file");
}

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
  LS_ASSIGN_OR_RETURN(const ReplicaUrl url, parse_replica_url(text));
  LS_RETURN_IF_ERROR(check_scheme(url.scheme));
  if (!url.query.empty()) {
    return invalid_argument("replica URL: file:// takes no parameters (a '?' in a path is %3F)");
  }
  std::string path;
  if (url.authority != "localhost" || url.path.empty()) {
    LS_ASSIGN_OR_RETURN(path, percent_decode(url.authority));
  }
  path += url.path;
  if (path.empty()) {
    return invalid_argument(
        "replica URL: file:// needs a path, for example file:///var/backup/app");
  }
  return file_replica_url(path);
}

std::string redact_url(std::string_view text) {
  const size_t length = scheme_length(text);
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
