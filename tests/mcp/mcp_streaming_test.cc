// What a running request sends and hears besides its answer: progress, log messages, questions,
// cancellation; in both eras.
#include <filesystem>
#include <fstream>

#include "tests/mcp/mcp_client.h"
#include "tests/support/temp_dir.h"

namespace litestream {
namespace {

using test::call_params;
using test::Json;
using test::KeptExchange;
using test::McpClient;
using test::McpFixture;
using test::notification;
using test::request;
using test::with_meta;

McpSettings overwriting() {
  McpSettings settings;
  settings.allow_overwrite = true;
  return settings;
}

std::string as_json(const std::string& text) {
  JsonWriter writer;
  return std::move(writer.string(text)).take();
}

struct RestoreFixture : McpFixture {
  explicit RestoreFixture(const std::string& database = "/data/app.db")
      : McpFixture({}, overwriting()), database_name(database) {
    test::set_fake_databases({database});
  }
  void write_output() const { std::ofstream(output) << "precious"; }
  std::string content() const {
    std::ifstream in(output);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::string arguments(const std::string& more = "") const {
    return "{\"database\":" + as_json(database_name) + ",\"output\":" + as_json(output) + more +
           "}";
  }

  std::string database_name;
  test::TempDir dir;
  std::string output = dir.file("out.db");
};

TEST_CASE("progress: strictly increasing, before the answer, only if asked for") {
  RestoreFixture f("/data/steady.db");
  McpClient client(*f.server);
  client.initialize();
  KeptExchange exchange;
  const Json done = client.answer(
      request("tools/call",
              call_params("litestream_restore", f.arguments(), R"(,"_meta":{"progressToken":0})")),
      exchange);
  CHECK(done.text("/result/structuredContent/restored_path") == f.output);
  const auto messages = exchange.messages();
  REQUIRE(messages.size() >= 2);  // begin, at least one in between; the end is the answer
  double last = -1;
  for (const std::string& message : messages) {
    const Json json(message);
    CHECK(json.text("/method") == "notifications/progress");
    CHECK(json.integer("/params/progressToken") == 0);
    CHECK(double(json.at("/params/progress")) > last);
    last = double(json.at("/params/progress"));
  }
  CHECK(Json(messages[1]).text("/params/message").find("restore: ") == 0);
  std::filesystem::remove(f.output);
  test::set_fake_databases({"/data/app.db"});
  f.database_name = "/data/app.db";
  KeptExchange silent;
  client.answer(request("tools/call", call_params("litestream_restore", f.arguments())), silent);
  CHECK(silent.messages().empty());
}

TEST_CASE("progress: not to a client that takes no stream") {
  RestoreFixture f;
  McpClient client(*f.server);
  KeptExchange exchange;
  exchange.accepts_stream = false;
  client.answer(request("tools/call", call_params("litestream_restore", f.arguments(),
                                                  R"(,"_meta":{"progressToken":"x"})")),
                exchange);
  CHECK(exchange.messages().empty());
}

TEST_CASE("log messages: only of the level a client asked for") {
  McpFixture f;
  McpClient client(*f.server);
  client.initialize();
  const std::string call = request("tools/call", call_params("litestream_version"));
  KeptExchange quiet;
  client.answer(call, quiet);
  CHECK(quiet.messages().empty());
  client.answer(request("logging/setLevel", R"({"level":"info"})"));
  client.answer(call, quiet);  // reading tools are talked about at debug
  CHECK(quiet.messages().empty());
  client.answer(request("logging/setLevel", R"({"level":"debug"})"));
  KeptExchange loud;
  client.answer(call, loud);
  REQUIRE(loud.messages().size() == 2);
  CHECK(Json(loud.messages()[0]).text("/method") == "notifications/message");
  CHECK(Json(loud.messages()[0]).text("/params/level") == "debug");
  CHECK(Json(loud.messages()[0]).text("/params/data/tool") == "litestream_version");
  McpClient stateless(*f.server);
  stateless.use_one_session();
  KeptExchange asked;
  stateless.answer(
      request("tools/call", with_meta(call_params("litestream_version"), "{}",
                                      R"(,"io.modelcontextprotocol/logLevel":"debug")")),
      asked);
  CHECK(asked.messages().size() == 2);
  KeptExchange unasked;
  stateless.answer(request("tools/call", with_meta(call_params("litestream_version"))), unasked);
  CHECK(unasked.messages().empty());
}

TEST_CASE("confirmation: a session is asked on the stream of its call") {
  struct Case {
    const char* answer;
    bool replaced;
  };
  for (const Case& one :
       {Case{R"("result":{"action":"accept","content":{"overwrite":true}})", true},
        Case{R"("result":{"action":"accept","content":{"overwrite":false}})", false},
        Case{R"("result":{"action":"accept"})", false},
        Case{R"("result":{"action":"decline"})", false},
        Case{R"("result":{"action":"cancel"})", false},
        Case{R"("error":{"code":-1,"message":"no form here"})", false}}) {
    CAPTURE(one.answer);
    RestoreFixture f;
    f.write_output();
    McpClient client(*f.server);
    client.initialize(R"({"elicitation":{}})");
    KeptExchange exchange;
    std::string body;
    std::thread calling([&] {
      body = client
                 .send(request("tools/call", call_params("litestream_restore",
                                                         f.arguments(R"(,"overwrite":true)"))),
                       exchange)
                 .body;
    });
    const Json question(exchange.wait_for_message(1));
    CHECK(question.text("/method") == "elicitation/create");
    CHECK(question.text("/params/message").find(f.output) != std::string::npos);
    CHECK(question.text("/params/requestedSchema/properties/overwrite/type") == "boolean");
    CHECK_FALSE(question.has("/params/mode"));
    CHECK(client.send(R"({"jsonrpc":"2.0","id":)" + question.raw("/id") + "," + one.answer + "}")
              .http_status == 202);
    calling.join();
    const Json done(body);
    CHECK(bool(done.at("/result/isError")) == !one.replaced);
    CHECK(f.content() == (one.replaced ? "restored" : "precious"));
    // An answer that comes twice is nobody's.
    CHECK(client.send(R"({"jsonrpc":"2.0","id":)" + question.raw("/id") + "," + one.answer + "}")
              .http_status == 202);
  }
}

TEST_CASE("confirmation: without a way to ask the arguments decide") {
  RestoreFixture f;
  f.write_output();
  McpClient client(*f.server);
  client.initialize();
  const Json refused =
      client.answer(request("tools/call", call_params("litestream_restore", f.arguments())));
  CHECK(bool(refused.at("/result/isError")));
  CHECK(refused.text("/result/content/0/text").find("\"overwrite\": true") != std::string::npos);
  CHECK(f.content() == "precious");
  const Json done = client.answer(request(
      "tools/call", call_params("litestream_restore", f.arguments(R"(,"overwrite":true)"))));
  CHECK_FALSE(bool(done.at("/result/isError")));
  CHECK(f.content() == "restored");
}

TEST_CASE("confirmation: nobody is asked where nothing would be overwritten") {
  RestoreFixture f;
  McpClient client(*f.server);
  client.initialize(R"({"elicitation":{}})");
  KeptExchange exchange;
  const Json done = client.answer(
      request("tools/call", call_params("litestream_restore", f.arguments())), exchange);
  CHECK_FALSE(bool(done.at("/result/isError")));
  CHECK(exchange.messages().empty());
}

TEST_CASE("confirmation: without permission there is no question") {
  RestoreFixture f;
  auto created = Tools::create(f.pool, {});
  REQUIRE(created.ok());
  auto features = LitestreamFeatures::create(**created, {});
  REQUIRE(features.ok());
  McpServer server(**features);
  f.write_output();
  McpClient client(server);
  client.initialize(R"({"elicitation":{}})");
  KeptExchange exchange;
  const Json refused = client.answer(
      request("tools/call", call_params("litestream_restore", f.arguments(R"(,"overwrite":true)"))),
      exchange);
  CHECK(bool(refused.at("/result/isError")));
  CHECK(refused.text("/result/content/0/text").find("mcp-allow-overwrite") != std::string::npos);
  CHECK(exchange.messages().empty());
  CHECK(f.content() == "precious");
}

// One round of the stateless era: asked, and called again.
struct Stateless {
  explicit Stateless(McpServer& server) : client(server) { client.use_one_session(); }
  Json call(const std::string& arguments, const std::string& more = "",
            const std::string& capabilities = R"({"elicitation":{"form":{}}})") {
    return client.answer(request(
        "tools/call", with_meta(call_params("litestream_restore", arguments, more), capabilities)));
  }
  McpClient client;
};

constexpr const char* kAccept =
    R"(,"inputResponses":{"confirm":{"action":"accept","content":{"overwrite":true}}})";

TEST_CASE("confirmation: in the stateless era the client calls again with a ticket") {
  RestoreFixture f;
  f.write_output();
  Stateless s(*f.server);
  const Json asked = s.call(f.arguments());
  CHECK(asked.text("/result/resultType") == "input_required");
  CHECK(asked.text("/result/inputRequests/confirm/method") == "elicitation/create");
  CHECK(f.content() == "precious");
  const std::string state = R"(,"requestState":)" + asked.raw("/result/requestState");
  // The same arguments in another order are the same arguments.
  const std::string reordered =
      "{\"output\":" + as_json(f.output) + ",\"database\":" + as_json(f.database_name) + "}";
  const Json done = s.call(reordered, kAccept + state);
  CHECK(done.text("/result/resultType") == "complete");
  CHECK(f.content() == "restored");
  // A ticket is good once.
  f.write_output();
  CHECK(s.call(f.arguments(), kAccept + state).integer("/error/code") == kRpcInvalidParams);
  CHECK(f.content() == "precious");
}

TEST_CASE("confirmation: tickets cannot be forged, moved or left out") {
  RestoreFixture f;
  f.write_output();
  Stateless s(*f.server);
  // An answer to a question that was not asked.
  const Json again = s.call(f.arguments(), kAccept);
  CHECK(again.text("/result/resultType") == "input_required");
  const std::string ticket = again.text("/result/requestState");
  for (const std::string& state : {ticket + "-TAMPERED", std::string("x"), std::string(32, '0')}) {
    CHECK(s.call(f.arguments(), kAccept + (R"(,"requestState":)" + as_json(state)))
              .integer("/error/code") == kRpcInvalidParams);
  }
  CHECK(s.call(f.arguments(), R"(,"requestState":7)").integer("/error/code") == kRpcInvalidParams);
  // Asked about one file, used for another.
  const std::string other = f.dir.file("other.db");
  std::ofstream(other) << "precious";
  const std::string moved =
      "{\"database\":" + as_json(f.database_name) + ",\"output\":" + as_json(other) + "}";
  CHECK(s.call(moved, kAccept + (R"(,"requestState":)" + as_json(ticket))).integer("/error/code") ==
        kRpcInvalidParams);
  // It is still good for what it was given for; "no" is an answer too.
  const Json declined = s.call(
      f.arguments(),
      R"(,"inputResponses":{"confirm":{"action":"decline"}},"requestState":)" + as_json(ticket));
  CHECK(bool(declined.at("/result/isError")));
  for (const char* wrong : {R"(,"inputResponses":null)", R"(,"inputResponses":{"confirm":7})",
                            R"(,"inputResponses":[])"}) {
    CHECK(s.call(f.arguments(), wrong).integer("/error/code") == kRpcInvalidParams);
  }
  // Wrong keys: asked again.
  CHECK(s.call(f.arguments(), R"(,"inputResponses":{"other":{"action":"accept"}})")
            .text("/result/resultType") == "input_required");
  CHECK(f.content() == "precious");
}

TEST_CASE("confirmation: only what the client declared is asked for") {
  RestoreFixture f;
  f.write_output();
  Stateless s(*f.server);
  for (const char* capabilities : {"{}", R"({"elicitation":{"url":{}}})", R"({"sampling":{}})"}) {
    const Json refused = s.call(f.arguments(), "", capabilities);
    CHECK(refused.text("/result/resultType") == "complete");
    CHECK(bool(refused.at("/result/isError")));
  }
}

TEST_CASE("cancellation: a notification stops a restore of its session, and nothing answers") {
  RestoreFixture f("/data/slow.db");
  McpClient client(*f.server);
  client.initialize();
  McpClient stranger(*f.server);
  stranger.initialize();
  KeptExchange exchange;
  McpReply reply;
  std::thread calling([&] {
    reply = client.send(
        request("tools/call", call_params("litestream_restore", f.arguments()), "\"r1\""),
        exchange);
  });
  while (test::fake_waiting_count() == 0) std::this_thread::yield();
  // Not its id, not its type, not its session.
  client.send(notification("notifications/cancelled", R"({"requestId":"r2"})"));
  client.send(notification("notifications/cancelled", R"({"requestId":1})"));
  client.send(notification("notifications/cancelled", R"({"requestId":{}})"));
  stranger.send(notification("notifications/cancelled", R"({"requestId":"r1"})"));
  CHECK(test::fake_waiting_count() == 1);
  exchange.leave();  // no cancellation in this era
  CHECK(test::fake_waiting_count() == 1);
  client.send(notification("notifications/cancelled", R"({"requestId":"r1"})"));
  calling.join();
  CHECK(reply.is_silent);
  CHECK(reply.body.empty());
  CHECK(exchange.messages().empty());
  CHECK(std::filesystem::is_empty(f.dir.path()));
  // Too late, and harmless.
  client.send(notification("notifications/cancelled", R"({"requestId":"r1"})"));
  CHECK(client.answer(request("ping")).raw("/result") == "{}");
}

TEST_CASE("cancellation: in the stateless era a client that leaves has cancelled") {
  RestoreFixture f("/data/slow.db");
  McpClient client(*f.server);
  client.headers().protocol_version = "2026-07-28";
  client.headers().method = "tools/call";
  client.headers().name = "litestream_restore";
  KeptExchange exchange;
  McpReply reply;
  std::thread calling([&] {
    reply = client.send(
        request("tools/call", with_meta(call_params("litestream_restore", f.arguments()))),
        exchange);
  });
  while (test::fake_waiting_count() == 0) std::this_thread::yield();
  exchange.leave();
  calling.join();
  CHECK(reply.is_silent);
  CHECK(std::filesystem::is_empty(f.dir.path()));
}

TEST_CASE("cancellation: an open question ends with the client, the call or the session") {
  for (const int way : {0, 1, 2}) {
    CAPTURE(way);
    RestoreFixture f;
    f.write_output();
    McpClient client(*f.server);
    client.initialize(R"({"elicitation":{}})");
    KeptExchange exchange;
    McpReply reply;
    std::thread calling([&] {
      reply = client.send(
          request("tools/call", call_params("litestream_restore", f.arguments()), "5"), exchange);
    });
    exchange.wait_for_message(1);
    if (way == 0) exchange.leave();
    if (way == 1) client.send(notification("notifications/cancelled", R"({"requestId":5})"));
    if (way == 2) CHECK(f.server->end_session(client.session_id()));
    calling.join();
    CHECK(reply.is_silent == (way != 2));
    if (way == 2) CHECK(bool(Json(reply.body).at("/result/isError")));
    CHECK(f.content() == "precious");
  }
}

TEST_CASE("questions: a client that does not answer is not waited for without end") {
  RestoreFixture f;
  f.write_output();
  McpServer::Options options;
  options.ask_timeout_ms = 50;
  McpServer server(*f.features, system_clock(), options);
  McpClient client(server);
  client.initialize(R"({"elicitation":{}})");
  KeptExchange exchange;
  const Json reply = client.answer(
      request("tools/call", call_params("litestream_restore", f.arguments())), exchange);
  CHECK(bool(reply.at("/result/isError")));
  CHECK(reply.text("/result/content/0/text").find("did not answer in time") != std::string::npos);
  REQUIRE(exchange.messages().size() == 2);
  const Json withdrawn(exchange.messages()[1]);
  CHECK(withdrawn.text("/method") == "notifications/cancelled");
  CHECK(withdrawn.raw("/params/requestId") == Json(exchange.messages()[0]).raw("/id"));
}

}  // namespace
}  // namespace litestream
