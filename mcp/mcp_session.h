// The sessions of clients that speak a revision with a handshake (2025-11-25 and older).
//
// A session holds only what the handshake agreed on. The table is bounded: the session unused for
// longest makes room for a new one.
// Threading: thread-safe.
#pragma once

#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace litestream {

inline constexpr size_t kMcpSessionCountMax = 1024;

class McpSessions {
 public:
  explicit McpSessions(size_t count_max = kMcpSessionCountMax) : count_max_(count_max) {}

  // A new session; its id is 128 random bits in hexadecimal. Empty: the system has no randomness.
  std::string create(std::string protocol_version);
  // The protocol version of a session, which counts as used now.
  std::optional<std::string> find(std::string_view id);
  // False: there is no such session.
  bool end(std::string_view id);
  size_t count() const;

 private:
  struct Session {
    std::string id;
    std::string protocol_version;
  };

  const size_t count_max_;
  mutable std::mutex mutex_;     // guards everything below
  std::list<Session> sessions_;  // last used first
  std::unordered_map<std::string, std::list<Session>::iterator> by_id_;
};

}  // namespace litestream
