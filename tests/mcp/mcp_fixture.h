// Everything between SQL and the sockets, over the double of the extension; and an exchange that
// keeps what is sent.
#pragma once

#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "mcp/http_endpoint.h"
#include "mcp/litestream_features.h"
#include "mcp/mcp_server.h"
#include "mcp/session_pool.h"
#include "mcp/tools.h"
#include "tests/mcp/fake_extension.h"

namespace litestream::test {

// A stream that stays open, as a test sees it. Threading: thread-safe.
class KeptStream final : public McpOutbox {
 public:
  bool push(std::string_view message) override {
    const std::lock_guard lock(mutex_);
    if (!is_open_) return false;
    messages_.emplace_back(message);
    arrived_.notify_all();
    return true;
  }
  void close() override {
    const std::lock_guard lock(mutex_);
    is_open_ = false;
  }
  bool is_open() const override {
    const std::lock_guard lock(mutex_);
    return is_open_;
  }
  std::vector<std::string> messages() const {
    const std::lock_guard lock(mutex_);
    return messages_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<std::string> messages_;
  bool is_open_ = true;
};

// Threading: thread-safe.
class KeptExchange : public HttpExchange {
 public:
  void set_accepts_stream(bool accepts) override { accepts_stream = accepts; }
  bool can_stream() const override { return accepts_stream; }
  bool send(std::string_view message) override {
    const std::lock_guard lock(mutex_);
    if (!accepts_stream) return false;
    messages_.emplace_back(message);
    arrived_.notify_all();
    return true;
  }
  std::shared_ptr<McpOutbox> keep_open() override {
    if (!accepts_stream || !allows_streams) return nullptr;
    stream = std::make_shared<KeptStream>();
    return stream;
  }
  void watch_client(Cancellation* cancellation) override {
    const std::lock_guard lock(mutex_);
    watcher_ = cancellation;
    if (gone_ && watcher_ != nullptr) watcher_->cancel();
  }
  // The client closes its connection.
  void leave() {
    const std::lock_guard lock(mutex_);
    gone_ = true;
    if (watcher_ != nullptr) watcher_->cancel();
  }
  std::vector<std::string> messages() const {
    const std::lock_guard lock(mutex_);
    return messages_;
  }
  // Waits for the `count`-th message; fails the test if it does not come.
  std::string wait_for_message(size_t count) {
    std::unique_lock lock(mutex_);
    const bool came = arrived_.wait_for(lock, std::chrono::seconds(20),
                                        [&] { return messages_.size() >= count; });
    REQUIRE(came);
    return messages_[count - 1];
  }

  std::atomic<bool> accepts_stream{true};
  bool allows_streams = true;
  std::shared_ptr<KeptStream> stream;

 private:
  mutable std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<std::string> messages_;
  Cancellation* watcher_ = nullptr;
  bool gone_ = false;
};

struct McpFixture {
  explicit McpFixture(HttpAccess::Options access = {}, McpSettings settings = {},
                      McpServer::Options options = {}, const Clock& clock = system_clock()) {
    install_fake_extension();
    set_fake_databases({"/data/app.db"});
    auto created = Tools::create(pool, std::move(settings));
    REQUIRE(created.ok());
    tools = std::move(created).value();
    auto made = LitestreamFeatures::create(*tools, {});
    REQUIRE(made.ok());
    features = std::move(made).value();
    server = std::make_unique<McpServer>(*features, clock, options);
    endpoint = std::make_unique<HttpEndpoint>(*server, tools.get(), std::move(access));
  }

  SessionPool pool{{}};
  std::unique_ptr<Tools> tools;
  std::unique_ptr<LitestreamFeatures> features;
  std::unique_ptr<McpServer> server;
  std::unique_ptr<HttpEndpoint> endpoint;
};

}  // namespace litestream::test
