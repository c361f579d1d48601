// What `replicate` does now and then: looking for new databases in directories that are watched,
// and telling a watching service that all is well.
// Threading: create and destroy from one thread; it has one of its own, if there is anything to do.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "ext/base/status.h"
#include "mcp/cancellation.h"
#include "mcp/sql_session.h"

namespace litestream {

struct BackgroundOptions {
  bool watches = false;       // directories of the configuration
  std::string heartbeat_url;  // "": none
  int64_t heartbeat_interval_ms = 300'000;
};

class BackgroundTasks {
 public:
  static Result<std::unique_ptr<BackgroundTasks>> start(const BackgroundOptions& options);
  ~BackgroundTasks();  // interrupts what runs
  BackgroundTasks(const BackgroundTasks&) = delete;
  BackgroundTasks& operator=(const BackgroundTasks&) = delete;

 private:
  explicit BackgroundTasks(const BackgroundOptions& options) : options_(options) {}
  void run();
  void discover();
  // True: the service has been told. False: try again soon.
  bool beat();
  // Until the monotonic time `due_ms`; false: the program stops.
  bool wait_until(int64_t due_ms);

  const BackgroundOptions options_;
  std::unique_ptr<SqlSession> session_;  // of the thread
  std::string last_discover_error_;
  bool was_healthy_ = true;
  Cancellation cancellation_;
  std::mutex mutex_;  // guards stopping_
  std::condition_variable stopped_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace litestream
