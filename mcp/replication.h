// The databases that `litestream replicate` keeps: made known, started, synchronised once, stopped.
// Threading: open, start_all and stop_all from one thread; wait_started and run_once may run on
// another one meanwhile, and interrupt() ends them from any.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ext/base/status.h"
#include "mcp/args.h"
#include "mcp/cancellation.h"
#include "mcp/sql_session.h"

namespace litestream {

// What -once does besides synchronising.
struct OnceOptions {
  bool force_snapshot = false;
  bool enforce_retention = false;
};

class Replication {
 public:
  // Loads the configuration, or registers the database and the replica URLs that `args` name.
  // InvalidArgument: there is nothing to replicate.
  static Result<std::unique_ptr<Replication>> open(const ParsedArgs& args);

  // "" if it is not set, or if databases were given instead of a configuration.
  Result<std::string> config_value(const char* key);
  Result<int64_t> config_number(const char* key);  // 0 if it is not set

  // Starts every database without waiting. One that cannot be started is logged and left out: the
  // others are not to go without backup because of it. Unavailable: none could.
  Status start_all();
  // Until each has begun, or waits for what it needs, or failed for good, which is logged.
  // Unavailable: all failed.
  Status wait_started();
  // Each database on its replica, once. The first error; the others are done all the same.
  Status run_once(const OnceOptions& options);
  // Ends wait_started and run_once, now and later.
  void interrupt() { cancellation_.cancel(); }
  // Flushes and lets go of everything, each database within its shutdown-sync-timeout.
  Status stop_all();

  // Whether databases may appear later, in directories of the configuration.
  bool watches() const { return watches_; }

 private:
  explicit Replication(std::unique_ptr<SqlSession> session) : session_(std::move(session)) {}
  Status register_given(const ParsedArgs& args);
  Status load_configured(const ParsedArgs& args);
  Status once(SqlSession& session, const std::string& database, const OnceOptions& options);

  std::unique_ptr<SqlSession> session_;
  std::vector<std::string> databases_;
  bool is_configured_ = false;
  bool watches_ = false;
  Cancellation cancellation_;
};

}  // namespace litestream
