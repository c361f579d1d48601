#include "mcp/http_access.h"

#include <algorithm>
#include <cstdint>

namespace litestream {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_port(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// "host:80" -> "host"; "" if what follows the colon is no port. An IPv6 address stands in brackets.
std::string_view host_of(std::string_view authority) {
  const size_t colon = authority.rfind(':');
  if (colon == std::string_view::npos || authority.find(']', colon) != std::string_view::npos) {
    return authority;
  }
  return is_port(authority.substr(colon + 1)) ? authority.substr(0, colon) : std::string_view();
}

bool is_this_machine(std::string_view authority) {
  const std::string_view host = host_of(authority);
  if (equal_ignoring_case(host, "localhost") || host == "[::1]") return true;
  return host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string::npos;
}

// How long it takes says nothing about where two texts differ.
bool equal_in_constant_time(std::string_view given, std::string_view secret) {
  uint8_t difference = given.size() == secret.size() ? 0 : 1;
  for (size_t i = 0; i < given.size(); ++i) {
    const char expected = secret.empty() ? '\0' : secret[i % secret.size()];
    difference = static_cast<uint8_t>(difference | (given[i] ^ expected));
  }
  return difference == 0;
}

constexpr std::string_view kBearer = "Bearer ";

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

const std::string* find_header(const HttpHeaders& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (equal_ignoring_case(key, name)) return &value;
  }
  return nullptr;
}

bool HttpAccess::is_allowed_host(std::string_view authority) const {
  if (is_this_machine(authority)) return true;
  return std::any_of(options_.allowed_hosts.begin(), options_.allowed_hosts.end(),
                     [&](const std::string& host) {
                       return equal_ignoring_case(host, authority) ||
                              (!authority.empty() && equal_ignoring_case(host, host_of(authority)));
                     });
}

bool HttpAccess::is_allowed_origin(std::string_view origin) const {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (equal_ignoring_case(origin.substr(0, scheme.size()), scheme) &&
        is_this_machine(origin.substr(scheme.size()))) {
      return true;
    }
  }
  return std::any_of(
      options_.allowed_origins.begin(), options_.allowed_origins.end(),
      [&](const std::string& allowed) { return equal_ignoring_case(allowed, origin); });
}

HttpAccess::Verdict HttpAccess::judge(const HttpHeaders& headers) const {
  bool has_host = false;
  for (const auto& [name, value] : headers) {
    if (equal_ignoring_case(name, "Origin") && !is_allowed_origin(value)) {
      return Verdict::kForeignOrigin;
    }
    if (!equal_ignoring_case(name, "Host")) continue;
    has_host = true;
    if (options_.check_host && !is_allowed_host(value)) return Verdict::kForeignHost;
  }
  if (options_.check_host && !has_host) return Verdict::kForeignHost;
  if (options_.token.empty()) return Verdict::kWelcome;
  const std::string* authorization = find_header(headers, "Authorization");
  if (authorization == nullptr) return Verdict::kNoToken;
  std::string_view given = *authorization;
  if (!equal_ignoring_case(given.substr(0, kBearer.size()), kBearer)) return Verdict::kNoToken;
  given.remove_prefix(kBearer.size());
  while (given.starts_with(' ')) given.remove_prefix(1);
  while (given.ends_with(' ')) given.remove_suffix(1);
  return equal_in_constant_time(given, options_.token) ? Verdict::kWelcome : Verdict::kWrongToken;
}

}  // namespace litestream
