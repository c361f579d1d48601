// /metrics and /healthz: the text Prometheus reads, and what is told to whoever restarts things.
#include "mcp/metrics_page.h"

#include <httplib.h>

#include <catch2/catch.hpp>

#include "tests/mcp/fake_extension.h"

namespace litestream {
namespace {

SqlRows rows_of(std::vector<std::vector<SqlValue>> rows) {
  return {{"name", "kind", "database", "replica", "labels", "value", "help"}, std::move(rows)};
}

std::string text(const char* value) { return value; }

// Without the line about the program itself.
std::string rendered(const SqlRows& rows) {
  const std::string out = render_metrics(rows);
  const size_t at = out.find("} 1\n");
  REQUIRE(out.starts_with("# HELP litestream_info"));
  REQUIRE(at != std::string::npos);
  return out.substr(at + 4);
}

TEST_CASE("metrics: one heading per name, labels in order, whole numbers whole") {
  CHECK(rendered(rows_of({
            {text("a_total"), text("counter"), text("/a.db"), nullptr, nullptr, 3.0, text("A.")},
            {text("a_total"), text("counter"), text("/b.db"), text("s3"),
             text(R"({"mode":"PASSIVE","x":"y"})"), 1e12, text("A.")},
            {text("b_seconds"), text("gauge"), nullptr, nullptr, nullptr, 0.0625, text("B.")},
        })) ==
        "# HELP a_total A.\n# TYPE a_total counter\na_total{db=\"/a.db\"} 3\n"
        "a_total{db=\"/b.db\",replica=\"s3\",mode=\"PASSIVE\",x=\"y\"} 1000000000000\n"
        "# HELP b_seconds B.\n# TYPE b_seconds gauge\nb_seconds 0.0625\n");
}

TEST_CASE("metrics: buckets, count and sum of a histogram are one family") {
  const std::string out = rendered(rows_of({
      {text("d_bucket"), text("histogram"), nullptr, nullptr, text(R"({"le":"0.1"})"), 1.0,
       text("D.")},
      {text("d_bucket"), text("histogram"), nullptr, nullptr, text(R"({"le":"+Inf"})"), 2.0,
       text("D.")},
      {text("d_count"), text("histogram"), nullptr, nullptr, nullptr, 2.0, text("D.")},
      {text("d_sum"), text("histogram"), nullptr, nullptr, nullptr, 0.5, text("D.")},
  }));
  CHECK(out ==
        "# HELP d D.\n# TYPE d histogram\nd_bucket{le=\"0.1\"} 1\nd_bucket{le=\"+Inf\"} 2\n"
        "d_count 2\nd_sum 0.5\n");
}

TEST_CASE("metrics: names of databases cannot break the format") {
  const std::string out = rendered(rows_of(
      {{text("x"), text("gauge"), text("/a\"b\\c\nd.db"), nullptr, nullptr, 1.0, text("X.")}}));
  CHECK(out.ends_with("x{db=\"/a\\\"b\\\\c\\nd.db\"} 1\n"));
}

TEST_CASE("metrics: served on an address; health says who lags") {
  test::install_fake_extension();
  test::set_fake_databases({"/data/app.db"});
  const auto server = MetricsServer::start("127.0.0.1:0", 60'000);
  REQUIRE(server.ok());
  const std::string url = (*server)->url();
  httplib::Client client(url);
  const auto metrics = client.Get("/metrics");
  REQUIRE(metrics);
  CHECK(metrics->status == 200);
  CHECK(metrics->get_header_value("Content-Type").starts_with("text/plain; version=0.0.4"));
  CHECK(metrics->body.find("litestream_txid{db=\"/data/app.db\"} 3\n") != std::string::npos);
  const auto health = client.Get("/healthz");
  REQUIRE(health);
  CHECK(health->status == 200);
  CHECK(health->body == "{\"status\":\"ok\",\"databases\":[]}\n");
  CHECK(client.Get("/other")->status == 404);
  CHECK(client.Post("/metrics", "", "text/plain")->status == 405);
  const std::string port = url.substr(url.rfind(':') + 1);
  CHECK(MetricsServer::start("127.0.0.1:" + port, 0).status().code() == StatusCode::kUnavailable);
  CHECK(MetricsServer::start("nonsense", 0).status().code() == StatusCode::kInvalidArgument);
}

TEST_CASE("health: a database beyond the limit makes it ill") {
  test::install_fake_extension();
  test::set_fake_databases({"/data/app.db"});
  const auto server = MetricsServer::start("127.0.0.1:0", -1);  // any lag is too much
  REQUIRE(server.ok());
  httplib::Client client((*server)->url());
  const auto health = client.Get("/healthz");
  REQUIRE(health);
  CHECK(health->status == 503);
  CHECK(health->body.starts_with(
      "{\"status\":\"unhealthy\",\"databases\":[{\"path\":\"/data/app.db\""));
}

}  // namespace
}  // namespace litestream
