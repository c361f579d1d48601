// The metrics page: `addr` of the configuration serves /metrics for Prometheus and /healthz for
// whoever restarts what is ill.
// Threading: render functions are pure; MetricsServer is created and destroyed from one thread.
#pragma once

#include <memory>
#include <string>

#include "ext/base/status.h"
#include "mcp/listen_address.h"
#include "mcp/local_server.h"
#include "mcp/session_pool.h"

namespace litestream {

// Rows of commands/metrics as Prometheus text, version 0.0.4.
std::string render_metrics(const SqlRows& rows);

class MetricsServer {
 public:
  // `lag_ms_max`: /healthz reports a database that lags further behind. Unavailable: the port is in
  // use or the address not ours.
  static Result<std::unique_ptr<MetricsServer>> start(const std::string& address,
                                                      int64_t lag_ms_max);
  ~MetricsServer();
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;

  // "http://localhost:9090"
  std::string url() const { return "http://" + format_listen_address(address_); }

 private:
  explicit MetricsServer(int64_t lag_ms_max) : lag_ms_max_(lag_ms_max), pool_({}) {}
  LocalReply handle(const LocalRequest& request);
  LocalReply metrics(SqlSession& session);
  LocalReply health(SqlSession& session);

  const int64_t lag_ms_max_;
  ListenAddress address_;
  SessionPool pool_;
  std::unique_ptr<LocalServer> server_;
};

}  // namespace litestream
