// One accepted socket: collects requests, sends answers without ever blocking, and can become an
// event stream. http_reactor.h owns and drives it.
// Threading: write(), is_open(), watch(), become_stream() and finish_stream() from any thread; the
// rest belongs to whoever holds the connection: the reactor's thread, or in between the worker
// that answers.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "ext/base/clock.h"
#include "mcp/cancellation.h"
#include "mcp/http_framing.h"

namespace litestream {

struct ConnectionLimits {
  size_t connection_count_max = 1024;
  size_t stream_count_max = 256;
  size_t buffered_bytes_max = 64 << 20;  // of all connections
  size_t outgoing_bytes_max = 16 << 20;  // of one connection
  size_t stream_bytes_max = 1 << 20;     // of one event stream
  int64_t idle_ms = 60'000;              // between requests
  int64_t head_ms = 10'000;              // from the first byte to the end of the head
  int64_t body_ms = 30'000;
  int64_t write_ms = 30'000;      // without any progress
  int64_t linger_ms = 2'000;      // for a client to read the last answer
  int64_t heartbeat_ms = 15'000;  // of event streams
};

// What all connections of a reactor share; outlives them all while they are open.
struct HttpShared {
  ConnectionLimits limits;
  const Clock* clock = nullptr;
  int epoll_fd = -1;
  std::atomic<size_t> stream_count{0};
  std::atomic<size_t> buffered_bytes{0};
};

class HttpConnection {
 public:
  HttpConnection(HttpShared& shared, uint64_t id, int fd);
  ~HttpConnection();
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  // Sends now what the socket takes, the rest as soon as it can. False: the client is gone, or too
  // much is waiting for it already and it is dropped.
  bool write(std::string_view bytes);
  bool is_open() const;
  // Has `cancellation` cancelled when the client goes; nullptr ends that. Afterwards the old one is
  // not touched any more.
  void watch(Cancellation* cancellation);
  // While the answer takes its time, `heartbeat` is sent now and then; "" ends that.
  void set_heartbeat(std::string heartbeat);
  // From here on the connection stays open after its request, kept alive with `heartbeat`. False:
  // too many streams are open, or the client is gone.
  bool become_stream(std::string heartbeat);
  // Sends what is queued, then closes.
  void finish_stream();

  // For the reactor, on its thread.

  enum class Event {
    kNothing,
    kRequest,  // a whole request has been read: a worker may have it
    kGone,     // drop it
  };
  void begin();  // waits for the first request
  Event on_readable();
  Event on_writable();
  // The client has closed its end, or the connection broke.
  Event on_hangup(bool broken);
  Event on_time(int64_t now_ms);
  // Since when it has waited for a request; nullopt: it does something else.
  std::optional<int64_t> idle_since_ms() const;
  uint64_t id() const { return id_; }

  // For the worker.

  HttpFrame take_request() { return framing_.take(); }
  // After the answer: the next request may be there already.
  Event end_request(bool keep_alive);

  void close();  // by whoever drops it

 private:
  enum class Phase {
    kReading,   // of the reactor: a request, or the end of an answer to send
    kServing,   // of a worker
    kStream,    // of the reactor: nothing is read any more
    kDraining,  // of the reactor: all is said; what still comes is thrown away
  };

  Event advance();
  Event refuse(int status);
  void set_deadline_locked();
  void update_interest_locked();
  bool flush_locked();
  void shut_locked();
  void count_locked(size_t bytes, size_t& counted);
  void begin_draining_locked();

  HttpShared& shared_;
  const uint64_t id_;

  // Of whoever holds the connection.
  std::string incoming_;
  HttpFraming framing_;
  size_t counted_incoming_bytes_ = 0;

  mutable std::mutex mutex_;  // guards everything below
  int fd_;                    // -1: closed
  Phase phase_ = Phase::kReading;
  bool is_shut_ = false;  // broken, or given up: nothing is read or written any more
  bool is_registered_ = true;
  bool closes_after_write_ = false;
  uint32_t interest_ = 0;  // what epoll waits for
  Cancellation* watcher_ = nullptr;
  bool peer_closed_ = false;
  std::string outgoing_;
  size_t counted_outgoing_bytes_ = 0;
  std::string heartbeat_;
  int64_t since_ms_ = 0;           // when the present wait began
  int64_t deadline_ms_ = 0;        // when it ends
  int64_t write_deadline_ms_ = 0;  // while outgoing_ is not empty
};

}  // namespace litestream
