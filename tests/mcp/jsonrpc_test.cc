// Messages in, and what is refused with which code.
#include "mcp/jsonrpc.h"

#include <catch2/catch.hpp>

namespace litestream {
namespace {

struct Parsed {
  std::optional<RpcMessage> message;
  RpcError error;
};

// The parser outlives the message it answered.
Parsed parse(RpcParser& parser, std::string_view text) {
  Parsed parsed;
  parsed.message = parser.parse(text, parsed.error);
  return parsed;
}

int refusal_code(std::string_view text) {
  RpcParser parser;
  const Parsed parsed = parse(parser, text);
  CHECK_FALSE(parsed.message);
  return parsed.error.code;
}

TEST_CASE("ids come back byte for byte") {
  RpcParser parser;
  for (const char* id : {"0", "1", "-7", "9007199254740993", "18446744073709551615", "\"\"",
                         "\"a\"", "\"\\u0041\\n\"", "\"caf\xC3\xA9\"", "\"{\\\"id\\\":1}\""}) {
    for (const char* pattern : {R"({"jsonrpc":"2.0","id":%,"method":"m"})",
                                R"({"method":"m","params":{"id":5},"id" : % ,"jsonrpc":"2.0"})",
                                "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"id\":%\n}"}) {
      std::string text = pattern;
      text.replace(text.find('%'), 1, id);
      const Parsed parsed = parse(parser, text);
      REQUIRE(parsed.message);
      CHECK(parsed.message->id == id);
      CHECK(parsed.message->kind == RpcMessage::Kind::kRequest);
      CHECK(rpc_result(parsed.message->id, "{}") ==
            std::string(R"({"jsonrpc":"2.0","id":)") + id + R"(,"result":{}})");
    }
  }
}

TEST_CASE("requests, notifications and responses are told apart") {
  RpcParser parser;
  const Parsed notification = parse(parser, R"({"jsonrpc":"2.0","method":"m","params":{"a":1}})");
  REQUIRE(notification.message);
  CHECK(notification.message->kind == RpcMessage::Kind::kNotification);
  CHECK(notification.message->id.empty());
  CHECK(notification.message->params);
  for (const char* text : {R"({"jsonrpc":"2.0","id":1,"result":{}})",
                           R"({"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x"}})"}) {
    const Parsed response = parse(parser, text);
    REQUIRE(response.message);
    CHECK(response.message->kind == RpcMessage::Kind::kResponse);
  }
}

TEST_CASE("what is not JSON is a parse error") {
  for (const char* text : {"", " ", "{", "nonsense", "{\"jsonrpc\":}", "{} {}", "\"\xFF\"",
                           R"({"jsonrpc":"2.0","id":1,"method":"m",})"}) {
    CAPTURE(text);
    CHECK(refusal_code(text) == kRpcParseError);
  }
}

TEST_CASE("JSON that is not a message is an invalid request") {
  for (const char* text : {"1",
                           "null",
                           "\"x\"",
                           "[]",
                           R"([{"jsonrpc":"2.0","id":1,"method":"ping"}])",
                           "{}",
                           R"({"id":1,"method":"m"})",
                           R"({"jsonrpc":"1.0","id":1,"method":"m"})",
                           R"({"jsonrpc":"2.0","id":null,"method":"m"})",
                           R"({"jsonrpc":"2.0","id":1.5,"method":"m"})",
                           R"({"jsonrpc":"2.0","id":{},"method":"m"})",
                           R"({"jsonrpc":"2.0","id":true,"method":"m"})",
                           R"({"jsonrpc":"2.0","id":1,"method":7})",
                           R"({"jsonrpc":"2.0","id":1,"method":"m","params":[]})",
                           R"({"jsonrpc":"2.0","id":1,"method":"m","params":null})",
                           R"({"jsonrpc":"2.0","id":1,"method":"a","method":"b"})",
                           R"({"jsonrpc":"2.0","id":1,"id":2,"method":"b"})",
                           R"({"jsonrpc":"2.0","id":1})",
                           R"({"jsonrpc":"2.0","id":1,"method":"m","result":{}})",
                           R"({"jsonrpc":"2.0","id":1,"result":{},"error":{}})"}) {
    CAPTURE(text);
    CHECK(refusal_code(text) == kRpcInvalidRequest);
  }
}

TEST_CASE("depth is bounded, also after a long message") {
  const auto nested = [](size_t depth) {
    return R"({"jsonrpc":"2.0","id":1,"method":"m","params":{"a":)" + std::string(depth, '[') +
           std::string(depth, ']') + "}}";
  };
  RpcParser parser;
  CHECK(parse(parser, nested(50)).message);
  CHECK(parse(parser, nested(70)).error.code == kRpcParseError);
  CHECK(parse(parser, nested(100'000)).error.code == kRpcParseError);
  const std::string wide = R"({"jsonrpc":"2.0","id":1,"method":"m","params":{"a":")" +
                           std::string(300'000, 'x') + "\"}}";
  CHECK(parse(parser, wide).message);
  CHECK(parse(parser, nested(70)).error.code == kRpcParseError);
  CHECK(parse(parser, std::string(kRpcMessageBytesMax + 1, ' ')).error.code == kRpcInvalidRequest);
}

TEST_CASE("errors carry their id and data where there are any") {
  CHECK(rpc_error("", {-32700, "a \"b\"", ""}) ==
        R"({"jsonrpc":"2.0","error":{"code":-32700,"message":"a \"b\""}})");
  CHECK(rpc_error("\"x\"", {-32602, "m", "{\"a\":1}"}) ==
        R"({"jsonrpc":"2.0","id":"x","error":{"code":-32602,"message":"m","data":{"a":1}}})");
}

}  // namespace
}  // namespace litestream
