#include "ext/store/user_info.h"

#include "ext/base/url.h"

namespace litestream {

Result<UserInfo> parse_user_info(std::string_view authority) {
  UserInfo info;
  const size_t at = authority.rfind('@');
  if (at != std::string_view::npos) {
    const std::string_view user = authority.substr(0, at);
    const size_t colon = user.find(':');
    auto name = percent_decode(user.substr(0, colon));
    auto password = colon == std::string_view::npos ? Result<std::string>(std::string())
                                                    : percent_decode(user.substr(colon + 1));
    if (!name.ok() || !password.ok()) {
      return invalid_argument("the user name or password of the URL is not percent-encoded well");
    }
    info.user_name = *std::move(name);
    info.password = *std::move(password);
    authority.remove_prefix(at + 1);
  }
  LS_ASSIGN_OR_RETURN(const HostAndPort where, parse_host_and_port(authority));
  info.host_and_port = where.is_ipv6 ? "[" + where.host + "]" : where.host;
  if (where.port != 0) info.host_and_port += ":" + std::to_string(where.port);
  return info;
}

std::string format_user_info(const UserInfo& info, UrlSecrets secrets) {
  std::string out;
  if (!info.user_name.empty() || !info.password.empty()) {
    out = percent_encode(info.user_name, Slashes::kEncoded);
    if (secrets == UrlSecrets::kKept && !info.password.empty()) {
      out += ":" + percent_encode(info.password, Slashes::kEncoded);
    }
    out += "@";
  }
  return out + info.host_and_port;
}

}  // namespace litestream
