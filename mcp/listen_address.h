// "host:port" and the sockets behind it. `localhost` means 127.0.0.1 and ::1, one socket each;
// where IPv6 is missing, 127.0.0.1 alone.
// Threading: pure, apart from opening sockets.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ext/base/status.h"

namespace litestream {

struct ListenAddress {
  std::string host;  // "" means every interface
  int port = 0;      // 0: any free one
};

// "localhost:8080", "127.0.0.1:0", ":8080", "[::1]:8080". InvalidArgument says what is expected.
Result<ListenAddress> parse_listen_address(std::string_view text);
bool is_loopback(const ListenAddress& address);
// "localhost:8080", "[::1]:8080"; every interface is 0.0.0.0.
std::string format_listen_address(const ListenAddress& address);

// Listening sockets, the caller's; `address.port` becomes the port they have. Unavailable: the port
// is in use or the address not ours; the message names both.
Result<std::vector<int>> open_listening_sockets(ListenAddress& address);

}  // namespace litestream
