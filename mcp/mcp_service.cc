#include "mcp/mcp_service.h"

#include "mcp/program_log.h"

namespace litestream {
namespace {

// Interrupted statements stop within 200 ms.
constexpr int kDrainTryCount = 20;
constexpr int kDrainTryMs = 50;

constexpr const char* kOpenToAll =
    "mcp: the endpoint can be reached from other machines and asks for no token (mcp-token)";

}  // namespace

Result<std::unique_ptr<McpService>> McpService::create(std::vector<GivenSource> given_sources,
                                                       McpSettings settings) {
  std::unique_ptr<McpService> service(new McpService(given_sources, std::move(settings)));
  McpService* const self = service.get();
  LS_ASSIGN_OR_RETURN(service->tools_, Tools::create(service->pool_, service->settings_));
  LS_ASSIGN_OR_RETURN(service->features_,
                      LitestreamFeatures::create(*service->tools_, std::move(given_sources)));
  service->server_ = std::make_unique<McpServer>(*service->features_);
  service->watch_.connect([self] { return self->server_->listeners(); },
                          [self](const McpChange& change) { self->server_->publish(change); });
  service->features_->set_listener_hook([self] { self->watch_.wake(); });
  return service;
}

Status McpService::listen(const ListenAddress& address) {
  HttpAccess::Options options;
  options.check_host = is_loopback(address) || !settings_.allowed_hosts.empty();
  options.allowed_hosts = settings_.allowed_hosts;
  options.allowed_origins = settings_.allowed_origins;
  options.token = settings_.token;
  endpoint_ = std::make_unique<HttpEndpoint>(*server_, tools_.get(), std::move(options));
  LS_ASSIGN_OR_RETURN(http_, HttpServer::start(address, *endpoint_));
  return {};
}

void McpService::stop() {
  watch_.stop();
  if (http_ != nullptr) http_->stop_listening();
  server_->close_streams();
  for (int i = 0; i < kDrainTryCount; ++i) {
    pool_.shut_down();
    if (http_ == nullptr || http_->drain(kDrainTryMs)) return;
  }
}

Result<std::unique_ptr<McpService>> start_mcp_service(const std::string& address,
                                                      std::vector<GivenSource> given_sources,
                                                      McpSettings settings) {
  auto parsed = parse_listen_address(address);
  if (!parsed.ok()) return parsed.status().with_context("mcp");
  if (!is_loopback(*parsed) && settings.token.empty()) {
    settings.warning = kOpenToAll;
    log_line(ProgramLogLevel::kWarning, settings.warning);
  }
  auto service = McpService::create(std::move(given_sources), std::move(settings));
  if (!service.ok()) return service.status().with_context("mcp");
  const Status listening = (*service)->listen(*parsed);
  if (!listening.ok()) return listening.with_context("mcp");
  log_line(ProgramLogLevel::kInfo, "mcp: listening on " + (*service)->url());
  return service;
}

Result<std::unique_ptr<McpService>> start_mcp_service(const std::string& address,
                                                      std::vector<GivenSource> given_sources) {
  McpSettings settings;
  {
    auto session = SqlSession::open(":memory:", {});
    if (!session.ok()) return session.status().with_context("mcp");
    auto loaded = load_mcp_settings(**session);
    if (!loaded.ok()) return loaded.status().with_context("mcp");
    settings = std::move(loaded).value();
  }
  return start_mcp_service(address, std::move(given_sources), std::move(settings));
}

}  // namespace litestream
