#include "mcp/mcp_service.h"

#include "mcp/program_log.h"

namespace litestream {
namespace {

// Interrupted statements stop within 200 ms.
constexpr int kDrainTryCount = 20;
constexpr int kDrainTryMs = 50;

}  // namespace

Result<std::unique_ptr<McpService>> McpService::start(const ListenAddress& address,
                                                      std::vector<GivenSource> given_sources) {
  std::unique_ptr<McpService> service(new McpService(std::move(given_sources)));
  LS_ASSIGN_OR_RETURN(service->tools_, Tools::create(service->pool_));
  service->server_ = std::make_unique<McpServer>(*service->tools_);
  HttpEndpoint::Options options;
  options.check_host = is_loopback(address);
  service->endpoint_ = std::make_unique<HttpEndpoint>(*service->server_, *service->tools_, options);
  LS_ASSIGN_OR_RETURN(service->http_, HttpServer::start(address, *service->endpoint_));
  return service;
}

void McpService::stop() {
  if (http_ == nullptr) return;
  http_->stop_listening();
  for (int i = 0; i < kDrainTryCount; ++i) {
    pool_.shut_down();
    if (http_->drain(kDrainTryMs)) return;
  }
}

Result<std::unique_ptr<McpService>> start_mcp_service(const std::string& address,
                                                      std::vector<GivenSource> given_sources) {
  auto parsed = parse_listen_address(address);
  if (!parsed.ok()) return parsed.status().with_context("mcp");
  auto service = McpService::start(*parsed, std::move(given_sources));
  if (!service.ok()) return service.status().with_context("mcp");
  if (!is_loopback(*parsed)) {
    log_line(ProgramLogLevel::kWarning,
             "mcp: " + address + " can be reached from other machines and asks for no token");
  }
  log_line(ProgramLogLevel::kInfo, "mcp: listening on " + (*service)->url());
  return service;
}

}  // namespace litestream
