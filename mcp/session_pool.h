// A bounded set of SQL sessions, so that a long restore does not keep a listing waiting and no
// number of requests can open connections without end.
// Threading: thread-safe. The pool must outlive its leases.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "mcp/sql_session.h"

namespace litestream {

inline constexpr size_t kSqlSessionCountMax = 8;

class SessionPool {
 public:
  // `acquire_timeout_ms`: the longest acquire() waits for another request to finish.
  explicit SessionPool(std::vector<GivenSource> given_sources, int acquire_timeout_ms = 10'000)
      : given_sources_(std::move(given_sources)), acquire_timeout_ms_(acquire_timeout_ms) {}

  // A session for one request; gives it back when destroyed.
  class Lease {
   public:
    Lease(SessionPool* pool, std::unique_ptr<SqlSession> session)
        : pool_(pool), session_(std::move(session)) {}
    Lease(Lease&& other) = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease();
    SqlSession* operator->() const { return session_.get(); }
    SqlSession& operator*() const { return *session_; }

   private:
    SessionPool* pool_;
    std::unique_ptr<SqlSession> session_;
  };

  // Busy after `acquire_timeout_ms` without a free session, Cancelled after shut_down(); else what
  // opening a connection answers.
  Result<Lease> acquire();
  const std::vector<GivenSource>& given_sources() const { return given_sources_; }
  // Refuses what comes and interrupts what runs. A statement about to begin is missed (SQLite
  // forgets an interrupt when one begins), so call again until all leases are back.
  void shut_down();

 private:
  void release(std::unique_ptr<SqlSession> session);

  const std::vector<GivenSource> given_sources_;
  const int acquire_timeout_ms_;

  std::mutex mutex_;  // guards everything below
  std::condition_variable released_;
  std::vector<std::unique_ptr<SqlSession>> idle_;
  std::vector<SqlSession*> leased_;
  size_t session_count_ = 0;  // idle, leased and being opened
  bool shut_down_ = false;
};

}  // namespace litestream
