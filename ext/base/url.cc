#include "ext/base/url.h"

#include <algorithm>
#include <cstdint>

#include "ext/base/hex.h"
#include "ext/base/limits.h"

namespace litestream {
namespace {

constexpr std::string_view kSeparator = "://";
constexpr char kHex[] = "0123456789ABCDEF";

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

Status parse_query(std::string_view text, Url* url) {
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

}  // namespace

size_t url_scheme_length(std::string_view text) {
  const size_t length = text.find(kSeparator);
  if (length == std::string_view::npos) return 0;
  for (size_t i = 0; i < length; ++i) {
    const char c = text[i];
    const bool is_other = is_digit(c) || c == '+' || c == '-' || c == '.';
    if (!is_letter(c) && (i == 0 || !is_other)) return 0;
  }
  return length;
}

Result<Url> parse_url(std::string_view text) {
  if (text.size() > kUrlBytesMax) {
    return invalid_argument("longer than " + std::to_string(kUrlBytesMax) + " bytes");
  }
  const size_t length = url_scheme_length(text);
  if (length == 0) return invalid_argument("needs a scheme, for example file:///var/backup/app");
  Url url;
  for (const char c : text.substr(0, length)) url.scheme += lower(c);
  std::string_view rest = text.substr(length + kSeparator.size());
  if (rest.find('#') != std::string_view::npos) {
    return invalid_argument("has a fragment (a '#' in a path is %23)");
  }
  const size_t query_at = std::min(rest.find('?'), rest.size());
  if (query_at < rest.size()) LS_RETURN_IF_ERROR(parse_query(rest.substr(query_at + 1), &url));
  rest = rest.substr(0, query_at);
  const size_t path_at = std::min(rest.find('/'), rest.size());
  url.authority = rest.substr(0, path_at);
  LS_ASSIGN_OR_RETURN(url.path, percent_decode(rest.substr(path_at)));
  return url;
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
        return invalid_argument("'%' needs two hex digits (a percent sign is %25)");
      }
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    if (c == '\0') return invalid_argument("holds a zero byte");
    out += c;
  }
  return out;
}

std::string percent_encode(std::string_view text, Slashes slashes) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const bool is_mark = c == '-' || c == '.' || c == '_' || c == '~';
    if (is_letter(c) || is_digit(c) || is_mark || (c == '/' && slashes == Slashes::kKept)) {
      out += c;
      continue;
    }
    const auto byte = static_cast<uint8_t>(c);
    out += '%';
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
  return out;
}

Result<HostAndPort> parse_host_and_port(std::string_view text) {
  const Status bad = invalid_argument("is not a host or host:port");
  HostAndPort result;
  std::string_view host = text;
  std::string_view port;
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == std::string_view::npos) return bad;
    result.is_ipv6 = true;
    host = text.substr(1, end - 1);
    port = text.substr(end + 1);
  } else {
    const size_t colon = std::min(text.find(':'), text.size());
    host = text.substr(0, colon);
    port = text.substr(colon);
  }
  if (host.empty() || host.size() > 255) return bad;
  for (const char c : host) {
    const bool legal = is_letter(c) || is_digit(c) || c == '-' || c == '.' || c == '_';
    if (!legal && !(result.is_ipv6 && c == ':')) return bad;
    result.host += lower(c);
  }
  if (port.empty()) return result;
  port.remove_prefix(1);
  if (text[text.size() - port.size() - 1] != ':' || port.empty() || port.size() > 5) return bad;
  if (!std::all_of(port.begin(), port.end(), is_digit)) return bad;
  for (const char c : port) result.port = result.port * 10 + (c - '0');
  if (result.port == 0 || result.port > 65535) return bad;
  return result;
}

}  // namespace litestream
