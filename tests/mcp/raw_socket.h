// A socket that says exactly what a test wants to say.
// Threading: thread-compatible.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <string>

namespace litestream::test {

class RawSocket {
 public:
  explicit RawSocket(int port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(fd_ >= 0);
    REQUIRE(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  }
  ~RawSocket() { close(); }
  RawSocket(const RawSocket&) = delete;
  RawSocket& operator=(const RawSocket&) = delete;

  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  // False: the other side does not take it any more.
  bool send(const std::string& bytes) {
    size_t sent = 0;
    while (sent < bytes.size()) {
      const ssize_t n = ::send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) return false;
      sent += static_cast<size_t>(n);
    }
    return true;
  }
  // Reads on until what was read contains `text`, or the other side ends; what was read.
  const std::string& read_until(const std::string& text) {
    while (received_.find(text) == std::string::npos && read_some(kPatienceMs)) {
    }
    return received_;
  }
  // Until the other side ends. Fails the test if it does not.
  const std::string& read_all() {
    while (read_some(kPatienceMs)) {
    }
    CHECK(has_ended_);
    return received_;
  }
  void forget() { received_.clear(); }
  bool has_ended() const { return has_ended_; }
  int fd() const { return fd_; }

 private:
  static constexpr int kPatienceMs = 20'000;
  bool read_some(int timeout_ms) {
    pollfd poll_fd{fd_, POLLIN, 0};
    if (::poll(&poll_fd, 1, timeout_ms) != 1) return false;
    char buffer[16384];
    const ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
    if (n <= 0) {
      has_ended_ = true;
      return false;
    }
    received_.append(buffer, static_cast<size_t>(n));
    return true;
  }

  int fd_;
  std::string received_;
  bool has_ended_ = false;
};

}  // namespace litestream::test
