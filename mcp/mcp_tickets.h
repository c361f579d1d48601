// What a question in the stateless era leaves behind: a ticket that the client hands back with the
// answer (`requestState`). The client sees 128 random bits; what they stand for stays here, so
// there is nothing to forge. A ticket is good once, for one purpose, for some minutes.
// Threading: thread-safe.
#pragma once

#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "ext/base/clock.h"

namespace litestream {

inline constexpr size_t kTicketCountMax = 256;
inline constexpr size_t kTicketPurposeBytesMax = 64 << 10;
inline constexpr int64_t kTicketLifetimeMs = 10 * 60 * 1000;

// 128 bits from the system, in hexadecimal. Empty: the system has no randomness.
std::string random_token();

class McpTickets {
 public:
  // `clock` must outlive the tickets.
  explicit McpTickets(const Clock& clock) : clock_(clock) {}

  // Empty: `purpose` is too long, or there is no randomness. The oldest ticket makes room.
  std::string issue(std::string purpose, std::string state);
  // The state, and the ticket is used up; nullopt if it is unknown, too old or for something else.
  std::optional<std::string> redeem(std::string_view ticket, std::string_view purpose);
  size_t count();

 private:
  struct Ticket {
    std::string id;
    std::string purpose;
    std::string state;
    int64_t expires_at_ms;  // monotonic
  };
  void drop_expired();

  const Clock& clock_;
  std::mutex mutex_;           // guards everything below
  std::list<Ticket> tickets_;  // oldest first
  std::unordered_map<std::string, std::list<Ticket>::iterator> by_id_;
};

}  // namespace litestream
