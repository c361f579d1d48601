#include "mcp/mcp_session.h"

#include <chrono>

#include "mcp/mcp_tickets.h"

namespace litestream {
namespace {

constexpr size_t kQuestionCountMax = 8;  // per session; each holds a thread

}  // namespace

void McpSession::agree(std::string version, ClientCapabilities capabilities) {
  const std::lock_guard lock(mutex_);
  version_ = std::move(version);
  capabilities_ = capabilities;
}

std::string McpSession::version() const {
  const std::lock_guard lock(mutex_);
  return version_;
}

ClientCapabilities McpSession::capabilities() const {
  const std::lock_guard lock(mutex_);
  return capabilities_;
}

void McpSession::set_log_level(McpLogLevel level) {
  const std::lock_guard lock(mutex_);
  log_level_ = level;
}

std::optional<McpLogLevel> McpSession::log_level() const {
  const std::lock_guard lock(mutex_);
  return log_level_;
}

void McpSession::begin_request(const std::string& id, Cancellation* cancellation) {
  const std::lock_guard lock(requests_mutex_);
  requests_.emplace(id, cancellation);
}

void McpSession::end_request(const std::string& id, Cancellation* cancellation) {
  const std::lock_guard lock(requests_mutex_);
  const auto [first, last] = requests_.equal_range(id);
  for (auto it = first; it != last; ++it) {
    if (it->second != cancellation) continue;
    requests_.erase(it);
    return;
  }
}

void McpSession::cancel_request(const std::string& id) {
  // Under the lock: end_request() must not return, and the request go, in between.
  const std::lock_guard lock(requests_mutex_);
  const auto [first, last] = requests_.equal_range(id);
  for (auto it = first; it != last; ++it) it->second->cancel();
}

void McpSession::cancel_all() {
  const std::lock_guard lock(requests_mutex_);
  for (const auto& entry : requests_) entry.second->cancel();
}

void McpSession::deliver(const std::string& id, Result<std::string> answer) {
  const std::lock_guard lock(mutex_);
  const auto found = questions_.find(id);
  if (found == questions_.end() || found->second.answer) return;
  found->second.answer = std::move(answer);
  answered_.notify_all();
}

Result<std::string> McpSession::ask(std::string_view method, std::string_view params_json,
                                    McpExchange& exchange, Cancellation& cancellation,
                                    int64_t timeout_ms) {
  std::string id;
  {
    const std::lock_guard lock(mutex_);
    if (questions_.size() >= kQuestionCountMax) return busy("too many questions are open");
    id = "\"litestream-" + std::to_string(next_question_++) + '"';
    questions_[id];
  }
  const bool sent = exchange.send(rpc_request(id, method, params_json));
  bool in_time = true;
  const Cancellation::Watch watch(cancellation, [this] {
    const std::lock_guard lock(mutex_);
    answered_.notify_all();
  });
  std::unique_lock lock(mutex_);
  const auto is_over = [&] {
    return closed_ || cancellation.is_cancelled() || questions_[id].answer.has_value();
  };
  if (sent) in_time = answered_.wait_for(lock, std::chrono::milliseconds(timeout_ms), is_over);
  std::optional<Result<std::string>> answer = std::move(questions_[id].answer);
  questions_.erase(id);
  const bool is_open = sent && !closed_;
  lock.unlock();
  if (answer) return std::move(*answer);
  if (is_open) {
    exchange.send(rpc_notification("notifications/cancelled", "{\"requestId\":" + id + "}"));
  }
  if (!in_time) return unavailable("the client did not answer in time");
  return cancelled("the client went away before it answered");
}

bool McpSession::set_stream(std::shared_ptr<McpOutbox> outbox) {
  const std::lock_guard lock(mutex_);
  if (closed_ || (stream_ != nullptr && stream_->is_open())) return false;
  stream_ = std::move(outbox);
  return true;
}

bool McpSession::has_stream() const {
  const std::lock_guard lock(mutex_);
  return stream_ != nullptr && stream_->is_open();
}

void McpSession::notify(std::string_view message) {
  const std::lock_guard lock(mutex_);
  if (stream_ != nullptr) stream_->push(message);
}

bool McpSession::subscribe(std::string uri, std::string key) {
  const std::lock_guard lock(mutex_);
  if (subscriptions_.size() >= kSubscriptionCountMax && subscriptions_.count(uri) == 0) {
    return false;
  }
  subscriptions_[std::move(uri)] = std::move(key);
  return true;
}

void McpSession::unsubscribe(const std::string& uri) {
  const std::lock_guard lock(mutex_);
  subscriptions_.erase(uri);
}

std::vector<std::string> McpSession::subscribed_uris(std::string_view key) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> uris;
  for (const auto& [uri, subscribed_key] : subscriptions_) {
    if (subscribed_key == key) uris.push_back(uri);
  }
  return uris;
}

bool McpSession::has_subscriptions() const {
  const std::lock_guard lock(mutex_);
  return !subscriptions_.empty();
}

void McpSession::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  if (stream_ != nullptr) stream_->close();
  answered_.notify_all();
}

std::shared_ptr<McpSession> McpSessions::take(Entries::iterator entry) {
  std::shared_ptr<McpSession> session = std::move(entry->session);
  by_id_.erase(entry->id);
  entries_.erase(entry);
  return session;
}

std::vector<std::shared_ptr<McpSession>> McpSessions::take_idle() {
  std::vector<std::shared_ptr<McpSession>> idle;
  const int64_t now_ms = clock_.monotonic_ms();
  while (!entries_.empty() && now_ms - entries_.back().used_at_ms >= kMcpSessionIdleMsMax) {
    if (entries_.back().session->has_stream()) {
      // Somebody still listens: that is use.
      entries_.back().used_at_ms = now_ms;
      entries_.splice(entries_.begin(), entries_, std::prev(entries_.end()));
    } else {
      idle.push_back(take(std::prev(entries_.end())));
    }
  }
  return idle;
}

std::string McpSessions::create(std::string version, ClientCapabilities capabilities) {
  std::string id = random_token();
  if (id.empty()) return id;
  auto session = std::make_shared<McpSession>();
  session->agree(std::move(version), capabilities);
  std::vector<std::shared_ptr<McpSession>> gone;
  {
    const std::lock_guard lock(mutex_);
    gone = take_idle();
    if (entries_.size() >= count_max_) {
      auto victim = std::prev(entries_.end());
      // One that somebody listens to is given up last.
      for (auto it = victim; it != entries_.begin() && victim->session->has_stream(); --it) {
        if (!it->session->has_stream()) victim = it;
      }
      gone.push_back(take(victim));
    }
    entries_.push_front({id, std::move(session), clock_.monotonic_ms()});
    by_id_.emplace(id, entries_.begin());
  }
  for (const auto& old : gone) old->close();
  return id;
}

std::shared_ptr<McpSession> McpSessions::find(std::string_view id) {
  std::vector<std::shared_ptr<McpSession>> gone;
  std::shared_ptr<McpSession> session;
  {
    const std::lock_guard lock(mutex_);
    gone = take_idle();
    const auto found = by_id_.find(std::string(id));
    if (found != by_id_.end()) {
      entries_.splice(entries_.begin(), entries_, found->second);
      found->second->used_at_ms = clock_.monotonic_ms();
      session = found->second->session;
    }
  }
  for (const auto& old : gone) old->close();
  return session;
}

bool McpSessions::end(std::string_view id) {
  std::shared_ptr<McpSession> session;
  {
    const std::lock_guard lock(mutex_);
    const auto found = by_id_.find(std::string(id));
    if (found == by_id_.end()) return false;
    session = take(found->second);
  }
  session->close();
  return true;
}

std::vector<std::shared_ptr<McpSession>> McpSessions::all() {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<McpSession>> sessions;
  for (const Entry& entry : entries_) sessions.push_back(entry.session);
  return sessions;
}

size_t McpSessions::count() {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace litestream
