#include "mcp/stdio_server.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <iterator>
#include <mutex>
#include <string>
#include <utility>

#include "mcp/worker_pool.h"

namespace litestream {
namespace {

constexpr size_t kWorkerCountMax = 16;
constexpr size_t kRequestCountMax = 256;  // running, waiting, and answers that nobody reads
constexpr int kRoomCheckMs = 10;
constexpr size_t kStreamCountMax = 16;
constexpr size_t kReadBytes = 64 << 10;
// Interrupted statements stop within 200 ms.
constexpr int kInterruptTryCount = 20;
constexpr int kInterruptTryMs = 50;

// The one way out. A line is written whole or, when the reader is gone, not at all.
class LineWriter {
 public:
  explicit LineWriter(int fd) : fd_(fd) {}

  bool write(std::string_view message) {
    std::string line(message);
    line += '\n';
    const std::lock_guard lock(mutex_);
    for (size_t sent = 0; sent < line.size() && !is_broken_;) {
      const ssize_t n = ::write(fd_, line.data() + sent, line.size() - sent);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) {
        is_broken_ = true;
      } else {
        sent += static_cast<size_t>(n);
      }
    }
    return !is_broken_;
  }
  bool is_broken() const {
    const std::lock_guard lock(mutex_);
    return is_broken_;
  }

 private:
  const int fd_;
  mutable std::mutex mutex_;  // guards what follows
  bool is_broken_ = false;
};

class StdioOutbox final : public McpOutbox {
 public:
  StdioOutbox(std::shared_ptr<LineWriter> writer, std::shared_ptr<std::atomic<size_t>> open_count)
      : writer_(std::move(writer)), open_count_(std::move(open_count)) {}
  ~StdioOutbox() override { StdioOutbox::close(); }
  bool push(std::string_view message) override { return is_open() && writer_->write(message); }
  void close() override {
    if (is_open_.exchange(false)) open_count_->fetch_sub(1);
  }
  bool is_open() const override { return is_open_.load() && !writer_->is_broken(); }

 private:
  const std::shared_ptr<LineWriter> writer_;
  const std::shared_ptr<std::atomic<size_t>> open_count_;
  std::atomic<bool> is_open_{true};
};

class StdioExchange final : public McpExchange {
 public:
  StdioExchange(std::shared_ptr<LineWriter> writer, std::shared_ptr<std::atomic<size_t>> open_count)
      : writer_(std::move(writer)), open_count_(std::move(open_count)) {}
  bool can_stream() const override { return true; }
  bool send(std::string_view message) override { return writer_->write(message); }
  std::shared_ptr<McpOutbox> keep_open() override {
    if (open_count_->fetch_add(1) < kStreamCountMax) {
      return std::make_shared<StdioOutbox>(writer_, open_count_);
    }
    open_count_->fetch_sub(1);
    return nullptr;
  }
  // The client goes when the input ends, and then everything ends.
  void watch_client(Cancellation*) override {}

 private:
  const std::shared_ptr<LineWriter> writer_;
  const std::shared_ptr<std::atomic<size_t>> open_count_;
};

// Requests that may take long or ask the client: they must not keep others from being read.
bool is_long_work(const std::string& line) {
  RpcParser parser;
  RpcError ignored;
  const auto message = parser.parse(line, ignored);
  if (!message) return line.find_first_not_of(" \t") == line.find('[');  // a batch
  constexpr std::string_view kLong[] = {"tools/call",          "prompts/get",
                                        "resources/read",      "resources/list",
                                        "completion/complete", "subscriptions/listen"};
  return message->kind == RpcMessage::Kind::kRequest &&
         std::find(std::begin(kLong), std::end(kLong), message->method) != std::end(kLong);
}

int open_signal_fd() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return ::signalfd(-1, &signals, SFD_CLOEXEC);
}

}  // namespace

class StdioServer::Impl {
 public:
  Impl(McpServer& server, Options options)
      : server_(server),
        options_(options),
        writer_(std::make_shared<LineWriter>(options.output_fd)),
        open_count_(std::make_shared<std::atomic<size_t>>(0)),
        session_(std::make_shared<McpSession>()),
        signal_fd_(open_signal_fd()),
        workers_(kWorkerCountMax) {}
  ~Impl() {
    if (signal_fd_ >= 0) ::close(signal_fd_);
  }

  End run();
  bool finish(const std::function<void()>& interrupt);

 private:
  enum class Input { kData, kEnded, kSignal };
  Input read_more();
  bool is_full();
  Input wait_for_room();
  void take_lines();
  void take_line(std::string line);
  std::string answer_of(const std::string& line);
  void write_later(std::string message);
  void end_request();
  bool wait_for_requests(int timeout_ms);
  void refuse(int code, const char* message) { write_later(rpc_error("", {code, message, ""})); }

  McpServer& server_;
  const Options options_;
  const std::shared_ptr<LineWriter> writer_;
  const std::shared_ptr<std::atomic<size_t>> open_count_;
  const std::shared_ptr<McpSession> session_;
  const int signal_fd_;
  std::string input_;
  bool skips_line_ = false;  // it was too long

  std::mutex mutex_;  // guards what follows
  std::condition_variable request_ended_;
  size_t request_count_ = 0;  // running, waiting, and answers to be written

  WorkerPool workers_;  // last: its threads use what is above
};

StdioServer::Impl::Input StdioServer::Impl::read_more() {
  pollfd fds[] = {{options_.input_fd, POLLIN, 0}, {signal_fd_, POLLIN, 0}};
  while (::poll(fds, 2, -1) < 0 && errno == EINTR) {
  }
  if ((fds[1].revents & POLLIN) != 0) return Input::kSignal;
  char buffer[kReadBytes];
  const ssize_t n = ::read(options_.input_fd, buffer, sizeof buffer);
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) return Input::kData;
  if (n <= 0) return Input::kEnded;
  input_.append(buffer, static_cast<size_t>(n));
  return Input::kData;
}

bool StdioServer::Impl::is_full() {
  const std::lock_guard lock(mutex_);
  return request_count_ >= kRequestCountMax;
}

StdioServer::Impl::Input StdioServer::Impl::wait_for_room() {
  pollfd poll_fd{signal_fd_, POLLIN, 0};
  return ::poll(&poll_fd, 1, kRoomCheckMs) == 1 ? Input::kSignal : Input::kData;
}

void StdioServer::Impl::take_lines() {
  size_t begin = 0;
  for (size_t end = 0; (end = input_.find('\n', begin)) != std::string::npos; begin = end + 1) {
    if (!skips_line_) take_line(input_.substr(begin, end - begin));
    skips_line_ = false;
  }
  input_.erase(0, begin);
  if (input_.size() > kRpcMessageBytesMax && !skips_line_) {
    skips_line_ = true;
    refuse(kRpcInvalidRequest, "the message is longer than 4 MiB");
  }
  if (skips_line_) input_.clear();
}

void StdioServer::Impl::take_line(std::string line) {
  if (line.ends_with('\r')) line.pop_back();
  if (line.find_first_not_of(" \t") == std::string::npos) return;
  if (line.size() > kRpcMessageBytesMax) {
    return refuse(kRpcInvalidRequest, "the message is longer than 4 MiB");
  }
  // Answers, cancellations and whatever changes the session count from here on, not from when a
  // thread is free.
  if (!is_long_work(line)) return write_later(answer_of(line));
  {
    const std::lock_guard lock(mutex_);
    ++request_count_;
  }
  workers_.enqueue([this, line = std::move(line)] {
    const std::string answer = answer_of(line);
    if (!answer.empty()) writer_->write(answer);
    end_request();
  });
}

std::string StdioServer::Impl::answer_of(const std::string& line) {
  McpRequest request;
  request.body = line;
  request.session = session_;
  StdioExchange exchange(writer_, open_count_);
  return server_.handle(request, exchange).body;
}

// The thread that reads does not write: the client may not be reading.
void StdioServer::Impl::write_later(std::string message) {
  if (message.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    ++request_count_;
  }
  workers_.enqueue([this, message = std::move(message)] {
    writer_->write(message);
    end_request();
  });
}

void StdioServer::Impl::end_request() {
  const std::lock_guard lock(mutex_);
  --request_count_;
  request_ended_.notify_all();
}

bool StdioServer::Impl::wait_for_requests(int timeout_ms) {
  std::unique_lock lock(mutex_);
  return request_ended_.wait_for(lock, std::chrono::milliseconds(timeout_ms),
                                 [this] { return request_count_ == 0; });
}

StdioServer::End StdioServer::Impl::run() {
  while (!writer_->is_broken()) {
    // Whoever asks more than it reads is not listened to meanwhile.
    const Input input = is_full() ? wait_for_room() : read_more();
    if (input == Input::kSignal) return End::kStopSignal;
    if (input == Input::kEnded) {
      if (!input_.empty() && !skips_line_) take_line(std::exchange(input_, ""));
      break;
    }
    take_lines();
  }
  // A question to a client that has said its last word gets no answer.
  session_->close();
  wait_for_requests(options_.finish_ms);
  return End::kInputEnded;
}

bool StdioServer::Impl::finish(const std::function<void()>& interrupt) {
  session_->cancel_all();
  for (int i = 0; i < kInterruptTryCount; ++i) {
    interrupt();
    if (wait_for_requests(kInterruptTryMs)) return true;
  }
  return false;
}

StdioServer::StdioServer(McpServer& server, Options options)
    : impl_(std::make_unique<Impl>(server, options)) {}

StdioServer::~StdioServer() = default;

StdioServer::End StdioServer::run() { return impl_->run(); }

void StdioServer::finish(const std::function<void()>& interrupt) {
  // Threads that do not come back use the object for as long as the process lasts.
  if (!impl_->finish(interrupt)) static_cast<void>(impl_.release());
}

}  // namespace litestream
