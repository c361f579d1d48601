// The HTTP client against servers that misbehave on purpose.
#include "ext/store/http_client.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <mutex>
#include <thread>

#include "ext/base/clock.h"
#include "ext/store/call_limits.h"
#include "tests/support/dav_server.h"
#include "tests/support/temp_dir.h"
#include "tests/support/text_reader.h"
#include "tests/support/tls_identity.h"
#include "tests/support/wire_server.h"

namespace litestream {
namespace {

using test::WireReply;
using test::WireRequest;
using test::WireServer;

constexpr char kSecret[] = "s3cr3t-that-nobody-may-see";

// What a server of the test does, changed between requests.
template <typename T>
class Shared {
 public:
  void set(T value) {
    const std::lock_guard lock(mutex_);
    value_ = std::move(value);
  }
  T get() const {
    const std::lock_guard lock(mutex_);
    return value_;
  }

 private:
  mutable std::mutex mutex_;
  T value_{};
};

// What one request saw, and the milliseconds it took.
struct Outcome {
  Result<HttpResponse> response = internal_error("no response");
  int64_t took_ms = 0;
};

Outcome timed(HttpClient& client, const HttpRequest& request) {
  const int64_t begun_ms = system_clock().monotonic_ms();
  Outcome outcome{client.perform(request), 0};
  outcome.took_ms = system_clock().monotonic_ms() - begun_ms;
  return outcome;
}

HttpRequest get(const std::string& url) {
  HttpRequest request;
  request.url = url;
  return request;
}

WireReply echo(const WireRequest& request) {
  return test::text_reply(200, "text/plain", request.method + " " + request.body);
}

void check_unavailable(const Result<HttpResponse>& response) {
  INFO(response.status().message());
  CHECK(response.status().code() == StatusCode::kUnavailable);
}

TEST_CASE("http client: requests are exact and connections are kept") {
  std::mutex mutex;
  std::vector<WireRequest> seen;
  WireServer server([&](const WireRequest& request) {
    const std::lock_guard lock(mutex);
    seen.push_back(request);
    return echo(request);
  });
  HttpClient client({});
  for (int i = 0; i < 3; ++i) {
    const auto response = client.perform(get(server.url() + "/a%2Fb?x=%20"));
    REQUIRE(response.ok());
    CHECK(response->status == 200);
    CHECK(response->body == "GET ");
    CHECK(response->header("content-type") == "text/plain");
  }
  HttpRequest put = get(server.url() + "/a/../b");
  put.method = "PUT";
  put.headers = {{"X-Name", "value"}, {"X-Empty", ""}};
  test::TextReader body("the bytes");
  put.body = &body;
  put.body_bytes = 9;
  CHECK(client.perform(put)->body == "PUT the bytes");
  put.body = nullptr;
  put.body_bytes = 0;
  put.sends_empty_body = true;
  CHECK(client.perform(put)->body == "PUT ");
  const std::lock_guard lock(mutex);
  REQUIRE(seen.size() == 5);
  CHECK(seen[0].target == "/a%2Fb?x=%20");
  CHECK_FALSE(seen[0].has_header("content-length"));
  CHECK(seen[3].target == "/a/../b");
  CHECK(seen[3].header("content-length") == "9");
  CHECK(seen[3].header("x-name") == "value");
  CHECK(seen[3].has_header("x-empty"));
  CHECK_FALSE(seen[3].has_header("expect"));
  CHECK_FALSE(seen[3].has_header("transfer-encoding"));
  CHECK(seen[4].header("content-length") == "0");
  CHECK(server.connection_count() == 1);
}

TEST_CASE("http client: a kept connection that died meanwhile is replaced") {
  WireServer server(echo);
  server.set_idle_ms(1);
  HttpClient client({});
  for (int i = 0; i < 3; ++i) {
    CHECK(client.perform(get(server.url() + "/")).ok());
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
  }
  CHECK(server.connection_count() == 3);
}

TEST_CASE("http client: every wait has an end") {
  Shared<WireReply> behaviour;
  WireServer server([&](const WireRequest&) { return behaviour.get(); });
  HttpClient client({});
  HttpRequest request = get(server.url() + "/");
  request.limits.connect_ms = 1000;
  request.limits.first_byte_ms = 150;
  request.limits.stall_ms = 150;
  WireReply hanging;
  hanging.hangs = true;
  behaviour.set(hanging);
  Outcome outcome = timed(client, request);
  check_unavailable(outcome.response);
  CHECK(outcome.took_ms >= 150);
  CHECK(outcome.took_ms < 15'000);
  WireReply stalling = test::text_reply(200, "text/plain", std::string(1000, 'x'));
  stalling.stall_at = 500;
  behaviour.set(stalling);
  outcome = timed(client, request);
  check_unavailable(outcome.response);
  CHECK(outcome.took_ms >= 150);
  // Bytes trickle in, each in time, all of them too late.
  request.limits.total_ms = 300;
  request.limits.stall_ms = 10'000;
  outcome = timed(client, request);
  check_unavailable(outcome.response);
  CHECK(outcome.took_ms >= 300);
  CHECK(outcome.took_ms < 9'000);
}

TEST_CASE("http client: who accepts and says nothing is not waited for") {
  const auto identity = test::make_tls_identity();
  WireServer server(echo, &identity);
  server.set_mute(true);
  HttpClient client({});
  HttpRequest request = get(server.url() + "/");
  request.limits.connect_ms = 200;
  const Outcome outcome = timed(client, request);
  check_unavailable(outcome.response);
  CHECK(outcome.took_ms >= 190);
  CHECK(outcome.took_ms < 15'000);
  // Nobody there at all.
  const std::string url = server.url();
  server.stop();
  check_unavailable(client.perform(get(url)));
  check_unavailable(client.perform(get("http://no-such-host.invalid/")));
}

TEST_CASE("http client: answers that end early are no answers") {
  WireReply reply;
  Shared<WireReply> answer;
  WireServer server([&](const WireRequest&) { return answer.get(); });
  HttpClient client({});
  reply.is_lost = true;
  answer.set(reply);
  check_unavailable(client.perform(get(server.url() + "/")));
  reply = test::text_reply(200, "text/plain", std::string(100'000, 'x'));
  reply.cut_at = 70'000;
  answer.set(reply);
  check_unavailable(client.perform(get(server.url() + "/")));
  reply = {};
  reply.raw = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc";
  answer.set(reply);
  check_unavailable(client.perform(get(server.url() + "/")));
  reply.raw = "not HTTP at all\r\n\r\n";
  answer.set(reply);
  CHECK_FALSE(client.perform(get(server.url() + "/")).ok());
}

TEST_CASE("http client: what is too large is refused") {
  WireReply reply;
  Shared<WireReply> answer;
  WireServer server([&](const WireRequest&) { return answer.get(); });
  HttpClient client({});
  HttpRequest request = get(server.url() + "/");
  request.limits.body_bytes_max = 1000;
  reply = test::text_reply(200, "text/plain", std::string(1001, 'x'));
  answer.set(reply);
  CHECK(client.perform(request).status().code() == StatusCode::kCorrupt);
  reply = test::text_reply(200, "text/plain", std::string(1000, 'x'));
  answer.set(reply);
  CHECK(client.perform(request).ok());
  for (int i = 0; i < 1000; ++i) reply.headers.emplace_back("X-" + std::to_string(i), "y");
  answer.set(reply);
  CHECK(client.perform(request).status().code() == StatusCode::kCorrupt);
  reply = {};
  reply.headers.emplace_back("X", std::string(70'000, 'y'));
  answer.set(reply);
  CHECK(client.perform(request).status().code() == StatusCode::kCorrupt);
}

TEST_CASE("http client: redirects are answers, and only HTTP is spoken") {
  WireServer elsewhere(echo);
  WireServer server([&](const WireRequest&) {
    WireReply reply = test::text_reply(307, "text/plain", "there");
    reply.headers.emplace_back("Location", elsewhere.url() + "/");
    return reply;
  });
  HttpClient client({});
  const auto response = client.perform(get(server.url() + "/"));
  REQUIRE(response.ok());
  CHECK(response->status == 307);
  CHECK(response->header("location") == elsewhere.url() + "/");
  CHECK(elsewhere.connection_count() == 0);
  for (const char* url : {"file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "x"}) {
    CAPTURE(url);
    const auto refused = client.perform(get(url));
    REQUIRE_FALSE(refused.ok());
  }
}

TEST_CASE("http client: a header cannot smuggle another") {
  std::atomic<int> count{0};
  WireServer server([&](const WireRequest& request) {
    ++count;
    return echo(request);
  });
  HttpClient client({});
  for (const HttpHeader& header :
       {HttpHeader{"X", "a\r\nY: b"}, HttpHeader{"X: a\r\nY", "b"}, HttpHeader{"X", "a\nb"},
        HttpHeader{"X", std::string("a\0b", 3)}}) {
    HttpRequest request = get(server.url() + "/");
    request.headers = {header};
    CHECK(client.perform(request).status().code() == StatusCode::kInvalidArgument);
  }
  CHECK(count == 0);
}

TEST_CASE("http client: certificates are checked") {
  const test::TempDir dir;
  const auto trusted = test::make_tls_identity();
  const std::string ca_file = test::write_text_file(dir.file("ca.pem"), trusted.ca_pem);
  HttpClientOptions options;
  options.ca_file = ca_file;
  HttpClient client(options);
  WireServer good(echo, &trusted);
  CHECK(client.perform(get(good.url() + "/")).ok());
  CHECK(client.perform(get("https://localhost:" + std::to_string(good.port()) + "/")).ok());
  const auto check_refused = [&](const test::TlsIdentity& identity, const std::string& ca) {
    WireServer server(echo, &identity);
    HttpClientOptions strict;
    strict.ca_file = test::write_text_file(dir.file("other-ca.pem"), ca);
    const auto refused = HttpClient(strict).perform(get(server.url() + "/"));
    INFO(refused.status().message());
    CHECK(refused.status().code() == StatusCode::kIo);
    HttpClientOptions lax = strict;
    lax.skip_verify = true;
    CHECK(HttpClient(lax).perform(get(server.url() + "/")).ok());
  };
  check_refused(trusted, test::make_tls_identity().ca_pem);
  const auto expired = test::make_tls_identity(test::TlsValidity::kExpired);
  check_refused(expired, expired.ca_pem);
  const auto other_name = test::make_tls_identity(test::TlsValidity::kOtherName);
  check_refused(other_name, other_name.ca_pem);
  HttpClientOptions missing;
  missing.ca_file = dir.file("not-there.pem");
  CHECK(HttpClient(missing).perform(get(good.url() + "/")).status().code() == StatusCode::kIo);
}

TEST_CASE("http client: HTTP/2 is spoken where it is offered") {
  const test::TempDir dir;
  test::DavServer server(true);
  HttpClientOptions options;
  options.ca_file = test::write_text_file(dir.file("ca.pem"), server.identity().ca_pem);
  HttpClient client(options);
  for (int i = 0; i < 2; ++i) {
    CHECK(client.perform(get("https://" + server.authority() + "/"))->status == 401);
  }
  CHECK(server.log().find("HTTP/2.0 GET / HTTP/2.0 401") != std::string::npos);
}

TEST_CASE("http client: a peer that leaves in the middle does not kill the process") {
  const test::TempDir dir;
  const auto identity = test::make_tls_identity();
  HttpClientOptions options;
  options.ca_file = test::write_text_file(dir.file("ca.pem"), identity.ca_pem);
  HttpClient client(options);
  const std::string bytes(8 << 20, 'x');
  for (int i = 0; i < 5; ++i) {
    auto server = std::make_unique<WireServer>(echo, &identity);
    HttpRequest put = get(server->url() + "/");
    put.method = "PUT";
    // Reading the body is what ends the server.
    test::TextReader body(bytes, [&](uint64_t offset) {
      if (offset > (1 << 20) && server != nullptr) server.reset();
    });
    put.body = &body;
    put.body_bytes = bytes.size();
    check_unavailable(client.perform(put));
  }
}

TEST_CASE("http client: calls under way can be ended from outside") {
  WireServer server([&](const WireRequest&) {
    WireReply reply;
    reply.hangs = true;
    return reply;
  });
  HttpClient client({});
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    client.set_interrupted(true);
  });
  Outcome outcome = timed(client, get(server.url() + "/"));
  other.join();
  CHECK(outcome.response.status().code() == StatusCode::kCancelled);
  CHECK(outcome.took_ms < 5000);
  CHECK(client.perform(get(server.url() + "/")).status().code() == StatusCode::kCancelled);
  client.set_interrupted(false);
  {
    const CallLimits limits(system_clock().monotonic_ms() + 100, nullptr);
    outcome = timed(client, get(server.url() + "/"));
    check_unavailable(outcome.response);
    CHECK(outcome.took_ms < 5000);
  }
  std::atomic<bool> stopped{false};
  const CallLimits limits(CallLimits::kNoDeadline, [&] { return stopped.exchange(true); });
  CHECK(client.perform(get(server.url() + "/")).status().code() == StatusCode::kCancelled);
}

TEST_CASE("http client: at most so many connections at once") {
  std::atomic<int> now{0};
  std::atomic<int> most{0};
  WireServer server([&](const WireRequest& request) {
    const int at_once = ++now;
    for (int seen = most; seen < at_once && !most.compare_exchange_weak(seen, at_once);) {
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    --now;
    return echo(request);
  });
  HttpClientOptions options;
  options.connections_max = 2;
  HttpClient client(options);
  std::vector<std::thread> threads;
  std::atomic<int> done{0};
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 3; ++n) done += client.perform(get(server.url() + "/")).ok() ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(done == 18);
  CHECK(most == 2);
  CHECK(server.connection_count() == 2);
}

TEST_CASE("http client: no message holds what a request holds") {
  Shared<WireReply> answer;
  WireServer server([&](const WireRequest&) { return answer.get(); });
  HttpClient client({});
  std::vector<WireReply> replies(4);
  replies[0].is_lost = true;
  replies[1].raw = "garbage\r\n\r\n";
  replies[2] = test::text_reply(200, "text/plain", std::string(5000, 'x'));
  replies[3] = replies[2];
  replies[3].cut_at = 10;
  for (const WireReply& each : replies) {
    answer.set(each);
    HttpRequest request = get(server.url() + "/" + kSecret + "?sig=" + kSecret);
    request.method = "PUT";
    request.headers = {{"Authorization", kSecret}};
    request.limits.body_bytes_max = 100;
    test::TextReader body(kSecret);
    request.body = &body;
    request.body_bytes = sizeof kSecret - 1;
    const auto response = client.perform(request);
    REQUIRE_FALSE(response.ok());
    CAPTURE(response.status().message());
    CHECK(response.status().message().find(kSecret) == std::string::npos);
    CHECK(response.status().message().find(server.url()) != std::string::npos);
  }
  for (const std::string& url : {std::string("http://nobody.invalid/") + kSecret,
                                 std::string("http://user:") + kSecret + "@127.0.0.1:1/",
                                 std::string("nonsense:") + kSecret}) {
    const auto response = client.perform(get(url));
    REQUIRE_FALSE(response.ok());
    CAPTURE(response.status().message());
    CHECK(response.status().message().find(kSecret) == std::string::npos);
  }
}

}  // namespace
}  // namespace litestream
