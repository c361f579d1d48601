#include "mcp/listen_address.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <system_error>

namespace litestream {
namespace {

constexpr int kBacklog = 512;
constexpr int kSamePortTryCount = 8;
constexpr int kPortMax = 65535;

int port_of_socket(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  if (address.ss_family == AF_INET6) {
    return ntohs(reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port);
  }
  return ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
}

// A socket that listens, or an errno below zero.
int open_socket(const addrinfo& info) {
  const int fd = ::socket(info.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  const int on = 1;
  const int off = 0;
  // Not SO_REUSEPORT: two programs on one port would each get half of the clients.
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (info.ai_family == AF_INET6) {
    ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  }
  if (::bind(fd, info.ai_addr, info.ai_addrlen) == 0 && ::listen(fd, kBacklog) == 0) return fd;
  const int error_number = errno;
  ::close(fd);
  return -error_number;
}

std::string reason_of(int error_number) {
  return error_number == EADDRINUSE ? "the port is in use by another program"
                                    : std::generic_category().message(error_number);
}

// One socket on `host`, "" for every interface. Busy: the port is in use.
Result<int> listen_on(const std::string& host, int port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int code = ::getaddrinfo(host.empty() ? nullptr : host.c_str(),
                                 std::to_string(port).c_str(), &hints, &found);
  if (code != 0) return unavailable(::gai_strerror(code));
  int result = -EADDRNOTAVAIL;
  // For every interface a socket of both families, where there are both.
  for (const int family : {AF_INET6, AF_INET}) {
    for (const addrinfo* info = found; info != nullptr && result < 0; info = info->ai_next) {
      if (info->ai_family == family) result = open_socket(*info);
    }
    if (result == -EADDRINUSE) break;
  }
  ::freeaddrinfo(found);
  if (result >= 0) return result;
  if (result == -EADDRINUSE) return busy(reason_of(-result));
  return unavailable(reason_of(-result));
}

void close_all(std::vector<int>& fds) {
  for (const int fd : fds) ::close(fd);
  fds.clear();
}

// A free port of 127.0.0.1 may be taken on ::1: then another one is tried.
Status listen_on_localhost(ListenAddress& address, std::vector<int>& fds) {
  const int wanted_port = address.port;
  for (int i = 0; i < kSamePortTryCount; ++i) {
    close_all(fds);
    LS_ASSIGN_OR_RETURN(const int fd, listen_on("127.0.0.1", wanted_port));
    fds.push_back(fd);
    address.port = port_of_socket(fd);
    const auto second = listen_on("::1", address.port);
    if (second.ok()) fds.push_back(*second);
    if (second.status().code() != StatusCode::kBusy) return {};  // or no IPv6 here
    if (wanted_port != 0) {
      close_all(fds);
      return second.status();
    }
  }
  close_all(fds);
  return busy("no port is free on 127.0.0.1 and on ::1");
}

}  // namespace

Result<ListenAddress> parse_listen_address(std::string_view text) {
  const Status malformed = invalid_argument("\"" + std::string(text) +
                                            "\" is not an address; give host:port, for example "
                                            "localhost:8080");
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return malformed;
  ListenAddress address;
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return malformed;
  }
  address.host = host;
  const std::string_view port = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (port.empty() || error != std::errc() || end != port.data() + port.size() ||
      address.port < 0 || address.port > kPortMax) {
    return malformed;
  }
  return address;
}

bool is_loopback(const ListenAddress& address) {
  return address.host == "localhost" || address.host == "::1" || address.host.starts_with("127.");
}

std::string format_listen_address(const ListenAddress& address) {
  std::string host = address.host.empty() ? "0.0.0.0" : address.host;
  if (host.find(':') != std::string::npos) host = "[" + host + "]";
  return host + ":" + std::to_string(address.port);
}

Result<std::vector<int>> open_listening_sockets(ListenAddress& address) {
  std::vector<int> fds;
  Status status;
  const std::string context = "listen on " + address.host + ":" + std::to_string(address.port);
  if (address.host == "localhost") {
    status = listen_on_localhost(address, fds);
  } else {
    const auto fd = listen_on(address.host, address.port);
    status = fd.status();
    if (fd.ok()) {
      fds.push_back(*fd);
      address.port = port_of_socket(*fd);
    }
  }
  if (!status.ok()) return unavailable(status.message()).with_context(context);
  return fds;
}

}  // namespace litestream
