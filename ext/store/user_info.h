// "user:password@host:port" of a URL's authority, taken apart and put together.
// Threading: values, pure functions.
#pragma once

#include <string>
#include <string_view>

#include "ext/base/status.h"
#include "ext/store/store_spec.h"

namespace litestream {

struct UserInfo {
  std::string user_name;      // percent-decoded
  std::string password;       // percent-decoded
  std::string host_and_port;  // as written, host in lower case
};

// InvalidArgument for bad percent-encoding and for what is no host; no message repeats any of it.
Result<UserInfo> parse_user_info(std::string_view authority);

// The reverse, percent-encoded; without the password if told so.
std::string format_user_info(const UserInfo& info, UrlSecrets secrets);

}  // namespace litestream
