// URLs as bytes: split, percent-decoded, encoded. What a scheme means is the business of others.
// Source: RFC 3986; a query is read as forms write it ('+' is a space).
// Threading: pure functions.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ext/base/status.h"

namespace litestream {

struct Url {
  std::string scheme;     // lower case
  std::string authority;  // between "//" and the path, as written: may hold secrets
  std::string path;       // percent-decoded, with its leading slash
  std::vector<std::pair<std::string, std::string>> query;  // percent-decoded, in written order
};

// Bytes of the scheme at the front of `text`; 0 if it does not begin with "<scheme>://".
size_t url_scheme_length(std::string_view text);

// InvalidArgument without a scheme, for bad percent-encoding, a zero byte, a fragment or more than
// kUrlBytesMax bytes. No message repeats the URL, which may hold secrets.
Result<Url> parse_url(std::string_view text);

// InvalidArgument for '%' without two hex digits, and for a zero byte.
Result<std::string> percent_decode(std::string_view text);

// Everything but A-Z a-z 0-9 - . _ ~ and, if told so, '/' becomes %XX with upper-case digits.
enum class Slashes { kKept, kEncoded };
std::string percent_encode(std::string_view text, Slashes slashes);

// "host", "host:port", "[v6]:port" without user name and password, taken apart. Port 0: none.
struct HostAndPort {
  std::string host;  // lower case; IPv6 without brackets
  int port = 0;
  bool is_ipv6 = false;
};
// InvalidArgument for anything else: '@', an empty host, a port that is none, odd characters.
Result<HostAndPort> parse_host_and_port(std::string_view text);

}  // namespace litestream
