#include "mcp/mcp_tickets.h"

#include <sys/random.h>

namespace litestream {

std::string random_token() {
  uint8_t bytes[16];
  if (getrandom(bytes, sizeof bytes, 0) != static_cast<ssize_t>(sizeof bytes)) return {};
  constexpr std::string_view kHexDigits = "0123456789abcdef";
  std::string token;
  for (const uint8_t byte : bytes) {
    token += kHexDigits[byte >> 4];
    token += kHexDigits[byte & 0xF];
  }
  return token;
}

void McpTickets::drop_expired() {
  const int64_t now_ms = clock_.monotonic_ms();
  while (!tickets_.empty() && tickets_.front().expires_at_ms <= now_ms) {
    by_id_.erase(tickets_.front().id);
    tickets_.pop_front();
  }
}

std::string McpTickets::issue(std::string purpose, std::string state) {
  if (purpose.size() > kTicketPurposeBytesMax) return {};
  std::string id = random_token();
  if (id.empty()) return id;
  const std::lock_guard lock(mutex_);
  drop_expired();
  if (tickets_.size() >= kTicketCountMax) {
    by_id_.erase(tickets_.front().id);
    tickets_.pop_front();
  }
  tickets_.push_back(
      {id, std::move(purpose), std::move(state), clock_.monotonic_ms() + kTicketLifetimeMs});
  by_id_.emplace(id, std::prev(tickets_.end()));
  return id;
}

std::optional<std::string> McpTickets::redeem(std::string_view ticket, std::string_view purpose) {
  const std::lock_guard lock(mutex_);
  drop_expired();
  const auto found = by_id_.find(std::string(ticket));
  if (found == by_id_.end() || found->second->purpose != purpose) return std::nullopt;
  std::string state = std::move(found->second->state);
  tickets_.erase(found->second);
  by_id_.erase(found);
  return state;
}

size_t McpTickets::count() {
  const std::lock_guard lock(mutex_);
  drop_expired();
  return tickets_.size();
}

}  // namespace litestream
