#include "mcp/mcp_session.h"

#include <sys/random.h>

namespace litestream {
namespace {

std::string random_id() {
  uint8_t bytes[16];
  if (getrandom(bytes, sizeof bytes, 0) != static_cast<ssize_t>(sizeof bytes)) return {};
  constexpr std::string_view kHexDigits = "0123456789abcdef";
  std::string id;
  for (const uint8_t byte : bytes) {
    id += kHexDigits[byte >> 4];
    id += kHexDigits[byte & 0xF];
  }
  return id;
}

}  // namespace

std::string McpSessions::create(std::string protocol_version) {
  std::string id = random_id();
  if (id.empty()) return id;
  const std::lock_guard lock(mutex_);
  if (sessions_.size() >= count_max_) {
    by_id_.erase(sessions_.back().id);
    sessions_.pop_back();
  }
  sessions_.push_front({id, std::move(protocol_version)});
  by_id_.emplace(id, sessions_.begin());
  return id;
}

std::optional<std::string> McpSessions::find(std::string_view id) {
  const std::lock_guard lock(mutex_);
  const auto found = by_id_.find(std::string(id));
  if (found == by_id_.end()) return std::nullopt;
  sessions_.splice(sessions_.begin(), sessions_, found->second);
  return found->second->protocol_version;
}

bool McpSessions::end(std::string_view id) {
  const std::lock_guard lock(mutex_);
  const auto found = by_id_.find(std::string(id));
  if (found == by_id_.end()) return false;
  sessions_.erase(found->second);
  by_id_.erase(found);
  return true;
}

size_t McpSessions::count() const {
  const std::lock_guard lock(mutex_);
  return sessions_.size();
}

}  // namespace litestream
