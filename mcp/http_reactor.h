// Connections: one thread waits for all of them and collects whole requests; a worker answers one
// request and gives the connection back. So neither idle connections, nor clients that send or
// read slowly, nor open event streams hold a worker.
//
// Every wait has an end, every buffer a bound. At the most connections allowed, the one that has
// been idle for longest makes room for a new one.
// Threading: thread-safe; start and stop from one thread.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "ext/base/status.h"
#include "mcp/http_connection.h"
#include "mcp/worker_pool.h"

namespace litestream {

class HttpReactor {
 public:
  // One whole request, on a worker's thread. Answers with HttpConnection::write(). False: the
  // connection ends when that is sent.
  using Serve = std::function<bool(const std::shared_ptr<HttpConnection>&, HttpFrame)>;

  // `workers` must outlive the reactor.
  HttpReactor(WorkerPool& workers, ConnectionLimits limits, Serve serve);
  ~HttpReactor();  // stop()
  HttpReactor(const HttpReactor&) = delete;
  HttpReactor& operator=(const HttpReactor&) = delete;

  // Takes listening sockets over, whatever it answers.
  Status start(std::vector<int> listening_fds);
  void stop_listening();
  // Closes every connection; returns when no worker serves one.
  void stop();

  size_t connection_count();
  const HttpShared& shared() const { return shared_; }

 private:
  using ConnectionPointer = std::shared_ptr<HttpConnection>;

  void run();
  void handle_events(int timeout_ms);
  void accept_all(int listening_fd);
  void add(int fd);
  // Drops the connection that has waited longest for a request; false: there is none.
  bool make_room();
  void pause_accepting();
  void resume_accepting();
  void on_event(uint64_t id, uint32_t events);
  void process(const ConnectionPointer& connection);
  void serve(const ConnectionPointer& connection);
  void check_deadlines();
  void drop(const ConnectionPointer& connection);
  std::vector<ConnectionPointer> all();
  void wake();

  WorkerPool& workers_;
  const Serve serve_;
  HttpShared shared_;
  int wake_fd_ = -1;
  std::thread thread_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> listening_{true};
  std::atomic<size_t> served_count_{0};  // requests that workers have or will have

  // Of the thread, once it runs.
  std::vector<int> listening_fds_;
  bool accept_paused_ = false;
  int64_t next_check_ms_ = 0;
  uint64_t next_id_ = 0;

  std::mutex mutex_;  // guards what follows
  std::unordered_map<uint64_t, ConnectionPointer> connections_;
};

}  // namespace litestream
