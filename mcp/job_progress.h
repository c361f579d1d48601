// Tells a client how far a tool has come, from the rows of litestream_jobs, while another thread
// runs the tool. That it has ended the answer says: a last notification right before it would only
// race with it in clients.
// Threading: create and destroy from one thread; it has one of its own.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "mcp/mcp_features.h"
#include "mcp/sql_session.h"

namespace litestream {

class JobProgress {
 public:
  // Watches jobs of `kind` that begin from now on. `call` must outlive it.
  JobProgress(McpCall& call, std::string kind, std::vector<GivenSource> given_sources);
  ~JobProgress();
  JobProgress(const JobProgress&) = delete;
  JobProgress& operator=(const JobProgress&) = delete;

 private:
  void stop();
  void watch();
  void report(SqlSession& session);

  McpCall& call_;
  const std::string kind_;
  const std::vector<GivenSource> given_sources_;
  int64_t last_id_before_ = 0;  // of the watching thread

  std::mutex mutex_;  // guards what follows
  std::condition_variable stopped_;
  bool stopping_ = false;
  bool is_ready_ = false;
  std::thread thread_;
};

}  // namespace litestream
