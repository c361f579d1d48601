// McpCall for one request of either era: where its notifications and questions go.
//
// Handshake era: questions are requests on the response's stream, answered by other messages of the
// session. Stateless era: the result says what is needed (`input_required`), and the client calls
// again with `inputResponses` and the ticket it was given.
// Threading: see McpCall.
#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "mcp/mcp_exchange.h"
#include "mcp/mcp_features.h"
#include "mcp/mcp_session.h"
#include "mcp/mcp_tickets.h"

namespace litestream {

class McpServerCall final : public McpCall {
 public:
  struct Setup {
    bool is_stateless = false;
    bool is_tool = false;           // failures are results that the model reads
    McpSession* session = nullptr;  // nullptr: no handshake was made
    McpExchange* exchange = nullptr;
    McpTickets* tickets = nullptr;
    int64_t ask_timeout_ms = 0;
    std::string purpose;  // of tickets: method, name and arguments
  };

  explicit McpServerCall(Setup setup) : setup_(std::move(setup)) {}

  // Takes from the request what concerns this call: capabilities, progress token, log level, and in
  // the stateless era answers and ticket. An error is the answer to the request.
  std::optional<RpcError> read(const std::optional<simdjson::dom::object>& params);

  const ClientCapabilities& client() const override { return capabilities_; }
  Cancellation& cancellation() override { return cancellation_; }
  bool wants_progress() const override;
  void progress(double done, std::optional<double> total, std::string_view message) override;
  void log(McpLogLevel level, std::string_view logger, std::string_view data_json) override;
  std::optional<McpAnswers> ask(const std::vector<McpQuestion>& questions,
                                std::string_view state) override;
  McpOutcome unanswered() override { return std::move(unanswered_); }
  std::string_view state() const override { return state_; }

 private:
  std::optional<RpcError> read_answers(simdjson::dom::object params);
  // An outcome if the client cannot be asked this.
  std::optional<McpOutcome> missing_capability(const std::vector<McpQuestion>& questions) const;
  std::optional<McpAnswers> ask_session(const std::vector<McpQuestion>& questions);
  McpOutcome input_required(const std::vector<McpQuestion>& questions, std::string_view state);

  const Setup setup_;
  Cancellation cancellation_;
  ClientCapabilities capabilities_;
  std::optional<McpLogLevel> log_level_;
  std::optional<std::string> progress_token_;  // JSON text
  McpAnswers given_answers_;
  std::string state_;
  McpOutcome unanswered_;

  std::mutex progress_mutex_;  // guards what follows
  std::optional<double> last_progress_;
};

}  // namespace litestream
