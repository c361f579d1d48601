// Who hears of changes: subscriptions of sessions and of the stateless era; and what else a session
// table must do.
#include "mcp/status_watch.h"

#include <cinttypes>
#include <cstdio>

#include "tests/mcp/mcp_client.h"
#include "tests/support/heap_in_use.h"

namespace litestream {
namespace {

using test::HandClock;
using test::Json;
using test::KeptExchange;
using test::McpClient;
using test::McpFixture;
using test::notification;
using test::request;
using test::with_meta;

constexpr const char* kStatusUri = "litestream://db/%2Fdata%2Fapp.db/status";
const McpChange kStatusChange = {McpChange::Kind::kResource, kStatusUri};
const McpChange kListChange = {McpChange::Kind::kResources, ""};

std::string listen_params(const std::string& notifications) {
  return with_meta(R"({"notifications":)" + notifications + "}");
}

TEST_CASE("listen: acknowledged first, tagged, and only what was asked for") {
  McpFixture f;
  McpClient client(*f.server);
  client.use_one_session();
  KeptExchange exchange;
  const McpReply reply = client.send(
      request("subscriptions/listen",
              listen_params(R"({"toolsListChanged":true,"resourcesListChanged":true,)"
                            R"("resourceSubscriptions":["litestream://db//data/app.db/status",)"
                            R"("litestream://db/%2Fnope.db/status","http://x/",7]})"),
              "\"s1\""),
      exchange);
  CHECK(reply.is_stream);
  REQUIRE(exchange.stream != nullptr);
  f.server->publish(kStatusChange);
  f.server->publish(kListChange);
  f.server->publish({McpChange::Kind::kTools, ""});
  f.server->publish({McpChange::Kind::kResource, "litestream://db/%2Fdata%2Fapp.db/ltx"});
  const auto messages = exchange.stream->messages();
  REQUIRE(messages.size() == 3);
  const Json acknowledged(messages[0]);
  CHECK(acknowledged.text("/method") == "notifications/subscriptions/acknowledged");
  // The tools never change, so that is not promised; unknown resources neither.
  CHECK(acknowledged.raw("/params/notifications") ==
        R"({"resourcesListChanged":true,)"
        R"("resourceSubscriptions":["litestream://db//data/app.db/status"]})");
  for (const std::string& message : messages) {
    CHECK(message.find(R"("io.modelcontextprotocol/subscriptionId":"s1")") != std::string::npos);
  }
  CHECK(Json(messages[1]).text("/method") == "notifications/resources/updated");
  CHECK(Json(messages[1]).text("/params/uri") == "litestream://db//data/app.db/status");
  CHECK(Json(messages[2]).text("/method") == "notifications/resources/list_changed");
}

TEST_CASE("listen: ends with the client, its notification or the server") {
  McpFixture f;
  McpClient client(*f.server);
  client.use_one_session();
  KeptExchange first, second, third;
  const std::string params = listen_params(R"({"resourcesListChanged":true})");
  client.send(request("subscriptions/listen", params, "1"), first);
  client.send(request("subscriptions/listen", params, "2"), second);
  client.send(request("subscriptions/listen", params, "3"), third);
  CHECK(f.server->listeners().any);
  CHECK_FALSE(f.server->listeners().to_resources);
  first.stream->close();  // as the transport does when the client goes
  client.send(notification("notifications/cancelled", R"({"requestId":2})"));
  CHECK_FALSE(second.stream->is_open());
  f.server->publish(kListChange);
  CHECK(first.stream->messages().size() == 1);
  CHECK(second.stream->messages().size() == 1);
  CHECK(third.stream->messages().size() == 2);
  f.server->close_streams();
  CHECK_FALSE(third.stream->is_open());
  const auto messages = third.stream->messages();
  REQUIRE(messages.size() == 4);
  CHECK(Json(messages[2]).text("/method") == "notifications/cancelled");
  CHECK(Json(messages[2]).integer("/params/requestId") == 3);
  const Json result(messages[3]);
  CHECK(result.integer("/id") == 3);
  CHECK(result.text("/result/resultType") == "complete");
  CHECK_FALSE(f.server->listeners().any);
}

TEST_CASE("listen: refused without a stream, without a filter, and when there are too many") {
  McpFixture f;
  McpClient client(*f.server);
  client.use_one_session();
  const std::string good = request("subscriptions/listen", listen_params("{}"));
  KeptExchange no_stream;
  no_stream.accepts_stream = false;
  CHECK(client.send(good, no_stream).http_status == 406);
  KeptExchange full;
  full.allows_streams = false;
  CHECK(client.send(good, full).http_status == 503);
  CHECK(client.answer(request("subscriptions/listen", with_meta("{}"))).integer("/error/code") ==
        kRpcInvalidParams);
}

TEST_CASE("sessions: one stream each, with what was subscribed to") {
  McpFixture f;
  McpClient client(*f.server);
  client.initialize();
  McpClient other(*f.server);
  other.initialize();
  KeptExchange stream, other_stream, second;
  CHECK(f.server->open_stream(client.session_id(), stream).is_stream);
  CHECK(f.server->open_stream(other.session_id(), other_stream).is_stream);
  CHECK(f.server->open_stream(client.session_id(), second).http_status == 409);
  CHECK(f.server->open_stream("nobody", second).http_status == 404);
  const std::string subscribe =
      request("resources/subscribe", R"({"uri":")" + std::string(kStatusUri) + "\"}");
  CHECK(client.answer(subscribe).raw("/result") == "{}");
  CHECK(f.server->listeners().to_resources);
  f.server->publish(kStatusChange);
  f.server->publish(kListChange);
  REQUIRE(stream.stream->messages().size() == 2);
  CHECK(stream.stream->messages()[0] ==
        notification("notifications/resources/updated",
                     R"({"uri":")" + std::string(kStatusUri) + "\"}"));
  CHECK(stream.stream->messages()[1] == notification("notifications/resources/list_changed", "{}"));
  CHECK(other_stream.stream->messages().size() == 1);
  client.answer(request("resources/unsubscribe", R"({"uri":")" + std::string(kStatusUri) + "\"}"));
  f.server->publish(kStatusChange);
  CHECK(stream.stream->messages().size() == 2);
  // A stream that is gone may be opened again; the session's end closes it.
  stream.stream->close();
  CHECK(f.server->open_stream(client.session_id(), second).is_stream);
  CHECK(f.server->end_session(client.session_id()));
  CHECK_FALSE(second.stream->is_open());
}

TEST_CASE("subscriptions: unknown resources, no session, too many") {
  McpFixture f;
  McpClient client(*f.server);
  const std::string known = request("resources/subscribe", R"({"uri":"litestream://databases"})");
  CHECK(client.answer(known).integer("/error/code") == kRpcInvalidRequest);
  client.initialize();
  const Json unknown = client.answer(request("resources/subscribe", R"({"uri":"test://x"})"));
  CHECK(unknown.integer("/error/code") == kRpcResourceNotFound);
  CHECK(unknown.text("/error/data/uri") == "test://x");
  CHECK(client.answer(request("resources/subscribe")).integer("/error/code") ==
        kRpcResourceNotFound);
  std::vector<std::string> databases;
  for (size_t i = 0; i <= kSubscriptionCountMax; ++i) {
    databases.push_back("/data/" + std::to_string(i));
  }
  test::set_fake_databases(databases);
  size_t refused = 0;
  for (const std::string& path : databases) {
    const Json reply = client.answer(
        request("resources/subscribe", R"({"uri":"litestream://db/)" + path + "/status\"}"));
    refused += reply.has("/error") ? 1 : 0;
  }
  CHECK(refused == 1);
}

TEST_CASE("status watch: says what changed and nothing else") {
  test::install_fake_extension();
  test::set_fake_databases({"/data/app.db"});
  StatusWatch watch({});
  std::vector<std::string> published;
  watch.connect(
      [] {
        return McpListeners{true, true};
      },
      [&](const McpChange& change) { published.push_back(change.key); });
  watch.look();
  watch.look();
  CHECK(published.empty());
  test::set_fake_replica_txid("0000000000000004");
  watch.look();
  const std::string base = "litestream://db/%2Fdata%2Fapp.db/";
  CHECK(published ==
        std::vector<std::string>{base + "status", base + "restore-points", base + "ltx"});
  published.clear();
  watch.look();
  CHECK(published.empty());
  test::set_fake_databases({"/data/app.db", "/data/new.db"});
  test::set_fake_replica_txid("0000000000000004");
  watch.look();
  CHECK(published == std::vector<std::string>{"", "litestream://databases"});
}

TEST_CASE("status watch: its thread looks only while somebody listens") {
  test::install_fake_extension();
  test::set_fake_databases({"/data/app.db"});
  StatusWatch watch({});
  std::atomic<int> asked{0};
  std::atomic<bool> has_listener{true};
  std::mutex mutex;
  std::vector<std::string> published;
  watch.connect(
      [&] {
        asked.fetch_add(1);
        return McpListeners{has_listener.load(), true};
      },
      [&](const McpChange& change) {
        const std::lock_guard lock(mutex);
        published.push_back(change.key);
      });
  CHECK(asked == 0);  // no thread yet
  // Returns when the thread has begun another round; each round but the last has ended then.
  uint64_t txid = 0;
  const auto change_and_wake = [&] {
    char text[17];
    std::snprintf(text, sizeof text, "%016" PRIx64, ++txid);
    test::set_fake_replica_txid(text);
    const int before = asked;
    watch.wake();
    while (asked == before) std::this_thread::yield();
  };
  const auto published_count = [&] {
    const std::lock_guard lock(mutex);
    return published.size();
  };
  // A round sees the text of its change or of the next: four rounds see two.
  for (int round = 0; round < 4; ++round) change_and_wake();
  CHECK(published_count() >= 3);
  has_listener = false;
  change_and_wake();  // a round that began before ends within this one
  change_and_wake();
  const size_t count = published_count();
  for (int round = 0; round < 3; ++round) change_and_wake();
  CHECK(published_count() == count);
  // What happened meanwhile is nobody's news; what comes now is.
  has_listener = true;
  for (int round = 0; round < 5; ++round) change_and_wake();
  CHECK(published_count() >= count + 3);
  watch.stop();
}

// "An idle week": nobody comes, then hundreds do, again and again. What is kept does not grow.
TEST_CASE("an idle week of the session table leaves nothing behind") {
  HandClock clock;
  McpFixture f({}, {}, {}, clock);
  constexpr int64_t kHourMs = 3'600'000;
  McpClient steady(*f.server);
  steady.initialize();
  size_t most = 0;
  for (int hour = 0; hour < 7 * 24; ++hour) {
    for (int i = 0; i < 20; ++i) {
      McpClient client(*f.server);
      client.initialize(R"({"elicitation":{}})");
      client.answer(request("resources/subscribe", R"({"uri":"litestream://databases"})"));
      if (i % 2 == 0) CHECK(f.server->end_session(client.session_id()));
    }
    CHECK(steady.answer(request("ping")).raw("/result") == "{}");
    most = std::max(most, f.server->session_count());
    clock.advance(kHourMs);
  }
  // A day's worth of those that were dropped without a word, and the steady one.
  CHECK(most <= 24 * 10 + 1);
  clock.advance(25 * kHourMs);
  CHECK(steady.send(request("ping")).http_status == 404);
  CHECK(f.server->session_count() == 0);
}

TEST_CASE("hundreds of sessions opened and dropped, day after day, leave memory flat") {
  HandClock clock;
  McpFixture f({}, {}, {}, clock);
  const auto a_day = [&] {
    for (int i = 0; i < 300; ++i) {
      McpClient client(*f.server);
      client.initialize(R"({"elicitation":{}})");
      client.answer(request("resources/subscribe", R"({"uri":"litestream://databases"})"));
      if (i % 3 == 0) CHECK(f.server->end_session(client.session_id()));
    }
    clock.advance(25 * 3'600'000);
    McpClient next(*f.server);
    next.initialize();  // whoever comes next finds the dropped ones gone
    CHECK(f.server->session_count() == 1);
    CHECK(f.server->end_session(next.session_id()));
  };
  a_day();  // what is set up once
  const size_t before = test::heap_in_use_bytes();
  for (int day = 0; day < 7; ++day) a_day();
  // A session is some hundred bytes; 2100 of them would be megabytes, or at least this.
  CHECK(test::heap_in_use_bytes() < before + (64 << 10));
}

TEST_CASE("a session that somebody listens to is not forgotten") {
  HandClock clock;
  McpFixture f({}, {}, {}, clock);
  McpClient client(*f.server);
  client.initialize();
  KeptExchange stream;
  REQUIRE(f.server->open_stream(client.session_id(), stream).is_stream);
  clock.advance(3 * kMcpSessionIdleMsMax);
  for (size_t i = 0; i < kMcpSessionCountMax + 10; ++i) {
    McpClient other(*f.server);
    other.initialize();
  }
  CHECK(f.server->session_count() == kMcpSessionCountMax);
  CHECK(client.answer(request("ping")).raw("/result") == "{}");
}

TEST_CASE("tickets: good once, for one purpose, for ten minutes, and never too many") {
  HandClock clock;
  McpTickets tickets(clock);
  const std::string ticket = tickets.issue("purpose", "state");
  CHECK(ticket.size() == 32);
  CHECK_FALSE(tickets.redeem(ticket, "other"));
  CHECK(tickets.redeem(ticket, "purpose") == "state");
  CHECK_FALSE(tickets.redeem(ticket, "purpose"));
  const std::string old = tickets.issue("purpose", "");
  clock.advance(kTicketLifetimeMs);
  CHECK_FALSE(tickets.redeem(old, "purpose"));
  CHECK(tickets.count() == 0);
  const std::string first = tickets.issue("p", "");
  for (size_t i = 0; i < kTicketCountMax; ++i) tickets.issue("p", "");
  CHECK(tickets.count() == kTicketCountMax);
  CHECK_FALSE(tickets.redeem(first, "p"));
  CHECK(tickets.issue(std::string(kTicketPurposeBytesMax + 1, 'x'), "").empty());
}

}  // namespace
}  // namespace litestream
