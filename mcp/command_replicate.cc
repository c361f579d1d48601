#include <sys/wait.h>

#include <csignal>
#include <memory>
#include <optional>
#include <ostream>
#include <thread>
#include <vector>

#include "ext/base/clock.h"
#include "mcp/background_tasks.h"
#include "mcp/child_process.h"
#include "mcp/control_socket.h"
#include "mcp/mcp_service.h"
#include "mcp/metrics_page.h"
#include "mcp/program.h"
#include "mcp/program_events.h"
#include "mcp/program_log.h"
#include "mcp/replication.h"
#include "mcp/source_argument.h"
#include "mcp/stop_signal.h"

namespace litestream {
namespace {

constexpr const char* kName = "replicate";
constexpr int64_t kChildStopTimeoutMs = 30'000;

constexpr FlagSpec kFlags[] = {{"config", FlagKind::kValue},
                               {"mcp-addr", FlagKind::kValue},
                               {"exec", FlagKind::kValue},
                               {"once", FlagKind::kSwitch},
                               {"force-snapshot", FlagKind::kSwitch},
                               {"enforce-retention", FlagKind::kSwitch},
                               {"restore-if-db-not-exists", FlagKind::kSwitch},
                               {"log-level", FlagKind::kValue},
                               {"no-expand-env", FlagKind::kSwitch}};

// What runs beside replication. Members are stopped in the reverse order.
struct Services {
  std::unique_ptr<BackgroundTasks> tasks;
  std::unique_ptr<MetricsServer> metrics;
  std::unique_ptr<ControlSocket> control;
  std::unique_ptr<McpService> mcp;
};

// The flag, else the configuration's value; "" without either.
Result<std::string> choose(const ParsedArgs& args, Replication& replication, const char* key) {
  if (args.has(key)) return args.value(key);
  return replication.config_value(key);
}

Status set_up_log(const ParsedArgs& args, Replication& replication) {
  LogStyle style;
  LS_ASSIGN_OR_RETURN(const std::string type, replication.config_value("logging.type"));
  if (type == "json") style.format = LogFormat::kJson;
  LS_ASSIGN_OR_RETURN(const std::string to_stderr, replication.config_value("logging.stderr"));
  style.to_stderr = to_stderr != "false";
  LS_ASSIGN_OR_RETURN(const std::string source, replication.config_value("logging.source"));
  style.with_source = source == "true";
  set_log_style(style);
  if (args.has("log-level")) return {};
  LS_ASSIGN_OR_RETURN(const std::string level, replication.config_value("logging.level"));
  if (!level.empty() && !set_log_level(level)) {
    return invalid_argument("logging level \"" + level + "\" is unknown");
  }
  return {};
}

// A port or a socket that is taken is no reason to leave databases without backup; an address that
// makes no sense is one to say so and end.
Status report(const Status& status) {
  if (status.ok() || status.code() == StatusCode::kInvalidArgument) return status;
  log_line(ProgramLogLevel::kError, status.message() + "; replication goes on without it");
  return {};
}

Status start_mcp(const ParsedArgs& args, Replication& replication, Services& services) {
  LS_ASSIGN_OR_RETURN(const std::string address, choose(args, replication, "mcp-addr"));
  if (address.empty()) {
    log_line(ProgramLogLevel::kInfo, "mcp: off (no mcp-addr)");
    return {};
  }
  auto mcp = start_mcp_service(address, {});
  if (!mcp.ok()) return report(mcp.status());
  services.mcp = std::move(mcp).value();
  return {};
}

Status start_control(Replication& replication, Services& services) {
  LS_ASSIGN_OR_RETURN(const std::string enabled, replication.config_value("socket.enabled"));
  if (enabled != "true") return {};
  LS_ASSIGN_OR_RETURN(const std::string path, replication.config_value("socket.path"));
  LS_ASSIGN_OR_RETURN(const int64_t permissions, replication.config_number("socket.permissions"));
  auto control = ControlSocket::start(path, static_cast<unsigned>(permissions));
  if (!control.ok()) return report(control.status().with_context("control socket"));
  services.control = std::move(control).value();
  log_line(ProgramLogLevel::kInfo, "control socket: listening on " + path);
  return {};
}

Status start_metrics(Replication& replication, int64_t lag_ms_max, Services& services) {
  LS_ASSIGN_OR_RETURN(const std::string address, replication.config_value("addr"));
  if (address.empty()) return {};
  auto metrics = MetricsServer::start(address, lag_ms_max);
  if (!metrics.ok()) return report(metrics.status().with_context("metrics"));
  services.metrics = std::move(metrics).value();
  log_line(ProgramLogLevel::kInfo, "metrics: serving " + services.metrics->url() + "/metrics");
  return {};
}

Status start_services(const ParsedArgs& args, Replication& replication, Services& services) {
  LS_RETURN_IF_ERROR(start_mcp(args, replication, services));
  LS_RETURN_IF_ERROR(start_control(replication, services));
  BackgroundOptions options;
  LS_ASSIGN_OR_RETURN(options.heartbeat_url, replication.config_value("heartbeat-url"));
  LS_ASSIGN_OR_RETURN(const int64_t interval_ms, replication.config_number("heartbeat-interval"));
  if (interval_ms > 0) options.heartbeat_interval_ms = interval_ms;
  LS_RETURN_IF_ERROR(start_metrics(replication, options.heartbeat_interval_ms, services));
  options.watches = replication.watches();
  LS_ASSIGN_OR_RETURN(services.tasks, BackgroundTasks::start(options));
  return {};
}

void stop_services(Services& services) {
  services.tasks.reset();
  services.metrics.reset();
  services.control.reset();
  if (services.mcp == nullptr) return;
  services.mcp->stop();
  // Idle connections would be waited for; they do not matter any more.
  static_cast<void>(services.mcp.release());
}

// Runs `work` on a thread of its own and wakes the main one when it is done.
class Worker {
 public:
  template <typename Work>
  Worker(ProgramEvents& events, Work work)
      : thread_([this, &events, work] {
          Status result = work();
          {
            const std::lock_guard lock(mutex_);
            result_ = std::move(result);
          }
          events.wake();
        }) {}
  ~Worker() { thread_.join(); }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  // nullopt while it runs.
  std::optional<Status> result() {
    const std::lock_guard lock(mutex_);
    return result_;
  }

 private:
  std::mutex mutex_;
  std::optional<Status> result_;  // guarded by mutex_
  std::thread thread_;
};

struct Ending {
  Status status;
  int exit_status = kExitOk;  // of the child, where there is one
};

void log_stop(int signal) {
  log_line(ProgramLogLevel::kInfo, std::string(signal == SIGINT ? "SIGINT" : "SIGTERM") +
                                       ": stopping; a second signal exits at once");
}

// Lets the application end before its databases are let go. `signal` 0: it has got one already.
void stop_child(ChildProcess& child, int signal, ProgramEvents& events, int* exit_status) {
  if (signal != 0) child.signal(signal);
  const int64_t deadline_ms = system_clock().monotonic_ms() + kChildStopTimeoutMs;
  while (!child.has_ended(exit_status)) {
    const int64_t left_ms = deadline_ms - system_clock().monotonic_ms();
    if (left_ms <= 0) {
      log_line(ProgramLogLevel::kWarning, "the executed command does not end: killing it");
      child.signal(SIGKILL);
    }
    events.wait(left_ms <= 0 ? 1000 : left_ms);
  }
}

// Until a signal, the end of the child, or the end of what the worker does: all of it for -once, or
// a start at which every database failed.
Ending wait_for_end(ProgramEvents& events, Worker& worker, bool ends_with_worker,
                    std::optional<ChildProcess>& child) {
  Ending ending;
  while (true) {
    const ProgramEvents::Event event = events.wait(-1);
    if (event.kind == ProgramEvents::Event::Kind::kStop) {
      log_stop(event.signal);
      exit_on_next_stop_signal();
      if (child) {
        stop_child(*child, event.is_from_terminal ? 0 : event.signal, events, &ending.exit_status);
      }
      return ending;
    }
    if (child && child->has_ended(&ending.exit_status)) {
      log_line(ProgramLogLevel::kInfo,
               "the executed command has ended with status " + std::to_string(ending.exit_status));
      return ending;
    }
    const auto result = worker.result();
    if (!result || (result->ok() && !ends_with_worker)) continue;
    ending.status = *result;
    if (child && !result->ok()) stop_child(*child, SIGTERM, events, &ending.exit_status);
    return ending;
  }
}

Result<int> replicate(const ParsedArgs& args) {
  LS_ASSIGN_OR_RETURN(const auto events, ProgramEvents::create());
  LS_ASSIGN_OR_RETURN(const auto replication, Replication::open(args));
  LS_RETURN_IF_ERROR(set_up_log(args, *replication));
  log_line(ProgramLogLevel::kInfo, "litestream " LITESTREAM_VERSION);
  const bool is_once = args.is_on("once");
  LS_ASSIGN_OR_RETURN(const std::string command, choose(args, *replication, "exec"));
  LS_RETURN_IF_ERROR(replication->start_all());
  Services services;
  Status failed;
  if (!is_once) failed = start_services(args, *replication, services);
  std::optional<ChildProcess> child;
  if (failed.ok() && !command.empty() && !is_once) {
    auto started = ChildProcess::start(command);
    if (started.ok()) child.emplace(std::move(started).value());
    failed = started.status();
  }
  Ending ending;
  if (failed.ok()) {
    const OnceOptions once{args.is_on("force-snapshot"), args.is_on("enforce-retention")};
    Worker worker(*events, [&] {
      return is_once ? replication->run_once(once) : replication->wait_started();
    });
    ending = wait_for_end(*events, worker, is_once, child);
    replication->interrupt();
  }
  exit_on_next_stop_signal();
  stop_services(services);
  const Status stopped = replication->stop_all();
  LS_RETURN_IF_ERROR(failed);
  LS_RETURN_IF_ERROR(ending.status);
  LS_RETURN_IF_ERROR(stopped);
  return ending.exit_status;
}

const char* wrong_usage(const ParsedArgs& args) {
  const bool has_database = !args.positionals().empty();
  if (args.positionals().size() == 1)
    return "give a database and a replica URL, or a configuration";
  if (has_database && args.has("config")) return "-config does not go with DB URL";
  const bool is_once = args.is_on("once");
  if (is_once && args.has("exec")) return "-once does not go with -exec";
  if (is_once && args.has("mcp-addr")) return "-once does not go with -mcp-addr";
  if (!is_once && args.is_on("force-snapshot")) return "-force-snapshot needs -once";
  if (!is_once && args.is_on("enforce-retention")) return "-enforce-retention needs -once";
  return nullptr;
}

int run(const ParsedArgs& args, Streams streams) {
  if (const char* why = wrong_usage(args)) return usage_error(streams, kName, why);
  if (args.has("log-level") && !set_log_level(args.value("log-level"))) {
    return usage_error(streams, kName, "-log-level is trace, debug, info, warn or error");
  }
  block_program_signals();
  const auto exit_status = replicate(args);
  return exit_status.ok() ? *exit_status : failure(streams, kName, exit_status.status());
}

}  // namespace

const Command kReplicateCommand = {kName, "back up databases continuously",
                                   R"(Usage: litestream replicate [flags]
       litestream replicate [flags] DB URL...

Replicates the databases of the configuration, or one database to one or several replicas, until it
is stopped with SIGTERM or SIGINT; then what is not on the replicas yet is uploaded, within
shutdown-sync-timeout. A second signal exits at once. A database that does not exist yet is waited
for.

  -config FILE         the configuration (default $LITESTREAM_CONFIG, else /etc/litestream.yml)
  -mcp-addr HOST:PORT  serve MCP there (default: mcp-addr of the configuration, else off)
  -exec COMMAND        run a command beside it and end when it ends, with its exit status
  -once                bring the replicas up to date, then end
  -force-snapshot      with -once: write a snapshot of every database
  -enforce-retention   with -once: remove what the retention of snapshots no longer needs
  -restore-if-db-not-exists
                       restore databases that do not exist from their replicas first
  -log-level LEVEL     trace, debug, info, warn or error (default: the configuration's, else info)
  -no-expand-env       leave $VAR and ${VAR} in the configuration as they are

Examples:
  litestream replicate -config litestream.yml -mcp-addr localhost:8080
  litestream replicate app.db file:///backup/app
  litestream replicate -exec "myapp -addr :8000" app.db s3://bucket/app
  litestream replicate -once -force-snapshot
)",
                                   kFlags, run};

}  // namespace litestream
