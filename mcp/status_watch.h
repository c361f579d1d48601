// Notices that the status of a database has changed, and says so to whoever listens. Looks only
// while somebody does.
// Threading: thread-safe; it has one thread of its own, which starts with the first listener.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "mcp/mcp_streams.h"
#include "mcp/sql_session.h"

namespace litestream {

class StatusWatch {
 public:
  using Publish = std::function<void(const McpChange&)>;

  explicit StatusWatch(std::vector<GivenSource> given_sources)
      : given_sources_(std::move(given_sources)) {}
  ~StatusWatch();
  StatusWatch(const StatusWatch&) = delete;
  StatusWatch& operator=(const StatusWatch&) = delete;

  // Whom to tell. Before the first wake().
  void connect(std::function<McpListeners()> listeners, Publish publish);
  // Somebody has begun to listen. Does not block.
  void wake();
  void stop();

  // One look; publishes what is different from the last one. The first look publishes nothing.
  // Called by the thread, and by tests that have not started it.
  void look();

 private:
  struct Seen {
    std::string status;   // what makes a status
    std::string replica;  // what makes the list of restore points
    bool operator==(const Seen&) const = default;
  };
  void run();
  void publish_differences(const std::map<std::string, Seen>& now);

  const std::vector<GivenSource> given_sources_;
  std::function<McpListeners()> listeners_;
  Publish publish_;
  // Of the thread that looks.
  std::unique_ptr<SqlSession> session_;
  bool has_looked_ = false;
  std::map<std::string, Seen> seen_;  // by database

  std::mutex mutex_;  // guards what follows
  std::condition_variable woken_;
  bool stopping_ = false;
  bool is_awake_ = false;
  std::thread thread_;
};

}  // namespace litestream
