#include "ext/engine/options.h"

#include <catch2/catch.hpp>

#include "ext/config/litestream_yml.h"

using namespace litestream;

namespace {

Status with(int64_t DatabaseOptions::*field, int64_t value) {
  DatabaseOptions options;
  options.*field = value;
  return validate_options(options);
}

void require_range(int64_t DatabaseOptions::*field, int64_t min, int64_t max, const char* text) {
  CAPTURE(text);
  REQUIRE(with(field, min).ok());
  REQUIRE(with(field, max).ok());
  for (const int64_t value : {min - 1, max + 1, INT64_MIN, INT64_MAX}) {
    REQUIRE(with(field, value).code() == StatusCode::kInvalidArgument);
    REQUIRE(with(field, value).message() == text);
  }
}

std::string json_error(const char* json) {
  DatabaseOptions options;
  options.linger_ms = 77;
  const Status status = apply_options_json(json, &options);
  INFO(json);
  REQUIRE_FALSE(status.ok());
  REQUIRE(options.linger_ms == 77);
  REQUIRE(options.sync_interval_ms == 1000);
  return status.message();
}

}  // namespace

TEST_CASE("options: the defaults are valid") { REQUIRE(validate_options({}).ok()); }

TEST_CASE("options: every range, at its ends") {
  const int64_t day = 86'400'000;
  require_range(&DatabaseOptions::sync_interval_ms, 1, day,
                "key 'sync-interval' is out of range: 1ms to 24h");
  require_range(&DatabaseOptions::checkpoint_interval_ms, 1000, day,
                "key 'checkpoint-interval' is out of range: 1s to 24h");
  require_range(&DatabaseOptions::min_checkpoint_page_count, 1, 2147483648,
                "key 'min-checkpoint-page-count' is out of range: 1 to 2147483648");
  require_range(&DatabaseOptions::truncate_page_n, 0, 2147483648,
                "key 'truncate-page-n' is out of range: 0 (never) to 2147483648");
  require_range(&DatabaseOptions::linger_ms, 0, day, "key 'linger' is out of range: 0 to 24h");
  require_range(&DatabaseOptions::shutdown_sync_timeout_ms, 0, day,
                "key 'shutdown-sync-timeout' is out of range: 0 to 24h");
}

TEST_CASE("options json: every key") {
  DatabaseOptions options;
  options.path = "/db";
  options.replicas.push_back({"file", "file", "file:///r", {}});
  REQUIRE(apply_options_json("{\"sync-interval\":\"50ms\",\"checkpoint-interval\":\"2m\","
                             "\"min-checkpoint-page-count\":7,\"truncate-page-n\":0,"
                             "\"linger\":\"0\",\"shutdown-sync-timeout\":\"3s\","
                             "\"meta-path\":\"/m\"}",
                             &options)
              .ok());
  REQUIRE(options.path == "/db");
  REQUIRE(options.replicas.size() == 1);
  REQUIRE(options.sync_interval_ms == 50);
  REQUIRE(options.checkpoint_interval_ms == 120'000);
  REQUIRE(options.min_checkpoint_page_count == 7);
  REQUIRE(options.truncate_page_n == 0);
  REQUIRE(options.linger_ms == 0);
  REQUIRE(options.shutdown_sync_timeout_ms == 3000);
  REQUIRE(options.meta_path == "/m");
  REQUIRE(apply_options_json("{}", &options).ok());
  REQUIRE(options.sync_interval_ms == 50);
}

TEST_CASE("options json: every error, and nothing changes") {
  REQUIRE(json_error("[]") ==
          "options must be a JSON object, for example {\"sync-interval\":\"50ms\"}");
  REQUIRE(json_error("sync-interval: 1s").starts_with("JSON: expected"));
  REQUIRE(json_error("").starts_with("JSON: expected"));
  REQUIRE(json_error("{\"sync-interval\":\"50ms\",\"x\":1}") == "unknown option 'x'");
  REQUIRE(json_error("{\"sync-intervall\":\"50ms\"}") ==
          "unknown option 'sync-intervall' (did you mean 'sync-interval'?)");
  REQUIRE(json_error("{\"url\":\"file:///x\"}") == "option 'url' is given by the call's arguments");
  REQUIRE(json_error("{\"pattern\":\"*\"}") == "option 'pattern' is given by the call's arguments");
  REQUIRE(json_error("{\"durability\":\"maybe\"}") == "key 'durability' must be async or replica");
  REQUIRE(json_error("{\"sync-interval\":50}") ==
          "key 'sync-interval': '50' is not a duration: a number needs a unit: ns, us, ms, s, m or "
          "h");
  REQUIRE(json_error("{\"sync-interval\":\"50ms\",\"linger\":\"48h\"}") ==
          "key 'linger' is out of range: 0 to 24h");
  REQUIRE(json_error("{\"truncate-page-n\":\"5\"}") ==
          "key 'truncate-page-n' must be a whole number without quotes");
  REQUIRE(json_error("{\"truncate-page-n\":5.5}") ==
          "key 'truncate-page-n' must be a whole number without quotes");
  REQUIRE(json_error("{\"linger\":null}") == "key 'linger' is empty");
  REQUIRE(json_error("{\"linger\":[\"1s\"]}") == "key 'linger' must be a single value");
  REQUIRE(json_error("{\"meta-path\":5}") == "key 'meta-path' must be a string");
  REQUIRE(json_error("{\"meta-path\":\"\"}") == "key 'meta-path' is empty");
}
