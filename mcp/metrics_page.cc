#include "mcp/metrics_page.h"

#include <simdjson.h>

#include <cmath>
#include <cstdio>

#include "mcp/json_writer.h"

namespace litestream {
namespace {

enum Column : size_t { kName, kKind, kDatabase, kReplica, kLabels, kValue, kHelp };

constexpr const char* kPrometheusType = "text/plain; version=0.0.4; charset=utf-8";
constexpr const char* kHistogramSuffixes[] = {"_bucket", "_count", "_sum"};

void append_label(std::string& out, std::string_view name, std::string_view value) {
  if (!out.empty()) out += ',';
  out += name;
  out += "=\"";
  for (const char c : to_valid_utf8(value)) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  out += '"';
}

std::string labels_of(const std::vector<SqlValue>& row) {
  std::string labels;
  if (!to_text(row[kDatabase]).empty()) append_label(labels, "db", to_text(row[kDatabase]));
  if (!to_text(row[kReplica]).empty()) append_label(labels, "replica", to_text(row[kReplica]));
  const std::string json = to_text(row[kLabels]);
  if (json.empty()) return labels;
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  const simdjson::padded_string padded(json);
  if (parser.parse(padded).get(object) != simdjson::SUCCESS) return labels;
  for (const auto field : object) {
    std::string_view value;
    if (field.value.get(value) == simdjson::SUCCESS) append_label(labels, field.key, value);
  }
  return labels;
}

// Whole numbers without an exponent, so that people can read them too.
std::string number_text(const SqlValue& value) {
  double number = 0;
  if (const auto* integer = std::get_if<int64_t>(&value)) number = static_cast<double>(*integer);
  if (const auto* real = std::get_if<double>(&value)) number = *real;
  char text[64];
  const bool is_whole = std::nearbyint(number) == number && std::fabs(number) < 9e15;
  std::snprintf(text, sizeof text, is_whole ? "%.0f" : "%.9g", number);
  return text;
}

// What a series is part of: the buckets, the count and the sum of a histogram are one.
std::string family_of(const std::string& name, const std::string& kind) {
  if (kind != "histogram") return name;
  for (const std::string_view suffix : kHistogramSuffixes) {
    if (name.ends_with(suffix)) return name.substr(0, name.size() - suffix.size());
  }
  return name;
}

}  // namespace

std::string render_metrics(const SqlRows& rows) {
  std::string out =
      "# HELP litestream_info Version of the program.\n# TYPE litestream_info gauge\n"
      "litestream_info{version=\"" LITESTREAM_VERSION "\"} 1\n";
  std::string family;
  for (const auto& row : rows.rows) {
    if (row.size() <= kHelp) continue;
    const std::string name = to_text(row[kName]);
    const std::string kind = to_text(row[kKind]);
    if (const std::string own = family_of(name, kind); own != family) {
      family = own;
      out += "# HELP " + family + " " + to_text(row[kHelp]) + "\n";
      out += "# TYPE " + family + " " + kind + "\n";
    }
    const std::string labels = labels_of(row);
    out +=
        name + (labels.empty() ? "" : "{" + labels + "}") + " " + number_text(row[kValue]) + "\n";
  }
  return out;
}

Result<std::unique_ptr<MetricsServer>> MetricsServer::start(const std::string& address,
                                                            int64_t lag_ms_max) {
  std::unique_ptr<MetricsServer> server(new MetricsServer(lag_ms_max));
  LS_ASSIGN_OR_RETURN(server->address_, parse_listen_address(address));
  LS_ASSIGN_OR_RETURN(auto sockets, open_listening_sockets(server->address_));
  LS_ASSIGN_OR_RETURN(
      server->server_,
      LocalServer::start(std::move(sockets), [raw = server.get()](const LocalRequest& request) {
        return raw->handle(request);
      }));
  return server;
}

MetricsServer::~MetricsServer() {
  pool_.shut_down();
  server_.reset();
}

LocalReply MetricsServer::handle(const LocalRequest& request) {
  if (request.method != "GET") return {405, "text/plain", "use GET\n"};
  if (request.path != "/metrics" && request.path != "/healthz") {
    return {404, "text/plain", "not found; there are /metrics and /healthz\n"};
  }
  auto session = pool_.acquire();
  if (!session.ok()) return {503, "text/plain", session.status().message() + "\n"};
  return request.path == "/metrics" ? metrics(**session) : health(**session);
}

LocalReply MetricsServer::metrics(SqlSession& session) {
  const auto rows = session.run("commands/metrics");
  if (!rows.ok()) return {500, "text/plain", rows.status().message() + "\n"};
  return {200, kPrometheusType, render_metrics(*rows)};
}

LocalReply MetricsServer::health(SqlSession& session) {
  const auto rows = session.run("commands/health", {{"lag_ms_max", lag_ms_max_}});
  JsonWriter writer;
  writer.begin_object();
  if (!rows.ok()) {
    writer.key("status").string("error").key("error").string(rows.status().message());
    return {503, "application/json", std::move(writer.end_object()).take() + "\n"};
  }
  writer.key("status").string(rows->rows.empty() ? "ok" : "unhealthy");
  writer.key("databases").begin_array();
  for (const auto& row : rows->rows) {
    writer.begin_object();
    for (size_t i = 0; i < rows->columns.size(); ++i) {
      writer.key(rows->columns[i]);
      if (const auto* number = std::get_if<int64_t>(&row[i])) {
        writer.integer(*number);
      } else {
        writer.string(to_text(row[i]));
      }
    }
    writer.end_object();
  }
  writer.end_array();
  return {rows->rows.empty() ? 200 : 503, "application/json",
          std::move(writer.end_object()).take() + "\n"};
}

}  // namespace litestream
