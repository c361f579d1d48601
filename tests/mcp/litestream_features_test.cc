// Resources, prompts, completion and pages, as the program offers them.
#include "mcp/litestream_features.h"

#include <set>

#include "tests/mcp/mcp_client.h"

namespace litestream {
namespace {

using test::Json;
using test::McpClient;
using test::McpFixture;
using test::request;
using test::with_meta;

std::string uri_params(const std::string& uri) { return "{\"uri\":\"" + uri + "\"}"; }

TEST_CASE("resources: listed for every database, in a fixed order") {
  McpFixture f;
  test::set_fake_databases({"/data/b c.db", "/data/a.db"});
  McpClient client(*f.server);
  const Json list = client.answer(request("resources/list"));
  const simdjson::dom::array resources = list.at("/result/resources");
  CHECK(resources.size() == 7);
  CHECK(list.text("/result/resources/0/uri") == "litestream://databases");
  CHECK(list.text("/result/resources/1/uri") == "litestream://db/%2Fdata%2Fa.db/status");
  CHECK(list.text("/result/resources/6/uri") == "litestream://db/%2Fdata%2Fb%20c.db/ltx");
  for (const simdjson::dom::element resource : resources) {
    for (const char* member : {"name", "title", "description", "mimeType"}) {
      CHECK(resource[member].is_string());
    }
    const std::string uri{std::string_view(resource["uri"])};
    const Json content = client.answer(request("resources/read", uri_params(uri)));
    CHECK(content.text("/result/contents/0/uri") == uri);
    CHECK(content.text("/result/contents/0/mimeType") == "application/json");
    CHECK_NOTHROW(Json(content.text("/result/contents/0/text")));
  }
  const Json templates = client.answer(request("resources/templates/list"));
  CHECK(templates.at("/result/resourceTemplates").get_array().size() == 3);
  CHECK(templates.text("/result/resourceTemplates/2/uriTemplate") ==
        "litestream://db/{path}/ltx{?level}");
}

TEST_CASE("resources: a level, bare slashes, and what does not exist") {
  McpFixture f;
  McpClient client(*f.server);
  const auto read = [&](const std::string& uri) {
    return client.answer(request("resources/read", uri_params(uri)));
  };
  const Json level = read("litestream://db/%2fdata%2Fapp.db/ltx?level=9");
  CHECK(Json(level.text("/result/contents/0/text")).at("/files").get_array().size() == 1);
  CHECK(Json(read("litestream://db//data/app.db/ltx").text("/result/contents/0/text"))
            .at("/files")
            .get_array()
            .size() == 3);
  for (const char* uri :
       {"", "litestream://", "litestream://databases/", "litestream://db/status",
        "litestream://db//status", "litestream://db/%2Fnope/status", "litestream://db/%2/status",
        "litestream://db/%00/status", "litestream://db/%2Fdata%2Fapp.db/secrets",
        "litestream://db/%2Fdata%2Fapp.db/ltx?level=10",
        "litestream://db/%2Fdata%2Fapp.db/status?level=1",
        "litestream://db/%2Fdata%2Fapp.db/ltx?x=1", "file:///etc/passwd",
        "litestream://db/..%2F..%2Fetc%2Fpasswd/status",
        "litestream://db/s3%3A%2F%2Fx%3Fendpoint%3Dhttp%3A%2F%2Fevil/ltx"}) {
    CAPTURE(uri);
    const Json reply = read(uri);
    CHECK(reply.integer("/error/code") == kRpcResourceNotFound);
    CHECK(reply.text("/error/data/uri") == uri);
  }
  McpClient stateless(*f.server);
  stateless.use_one_session();
  const Json missing =
      stateless.answer(request("resources/read", with_meta(uri_params("litestream://nowhere"))));
  CHECK(missing.integer("/error/code") == kRpcInvalidParams);
  CHECK(missing.text("/error/data/uri") == "litestream://nowhere");
  const Json found =
      stateless.answer(request("resources/read", with_meta(uri_params("litestream://databases"))));
  CHECK(found.integer("/result/ttlMs") == 0);
  CHECK(found.text("/result/cacheScope") == "private");
}

TEST_CASE("prompts: described, filled in, and refused with a reason") {
  McpFixture f;
  McpClient client(*f.server);
  const Json list = client.answer(request("prompts/list"));
  CHECK(list.at("/result/prompts").get_array().size() == 3);
  CHECK(list.text("/result/prompts/0/name") == "check_backup_health");
  for (const simdjson::dom::element prompt : list.at("/result/prompts").get_array()) {
    CHECK(prompt["title"].is_string());
    CHECK(prompt["description"].is_string());
    CHECK(prompt["arguments"].is_array());
  }
  const auto get = [&](const std::string& params) {
    return client.answer(request("prompts/get", params));
  };
  const Json restore = get(R"({"name":"restore_to_moment","arguments":{"database":"/data/app.db",)"
                           R"("moment":"2026-01-03T04:05:02Z"}})");
  CHECK(restore.text("/result/messages/0/role") == "user");
  const std::string text = restore.text("/result/messages/0/content/text");
  CHECK(text.find("2026-01-03T04:05:02Z") != std::string::npos);
  CHECK(text.find("litestream_restore_points") != std::string::npos);
  // What is true right now is part of the text.
  const std::string health =
      get(R"({"name":"check_backup_health"})").text("/result/messages/0/content/text");
  CHECK(health.find(R"("status":"ok")") != std::string::npos);
  CHECK(get(R"({"name":"explain_growth","arguments":{"database":"/data/app.db"}})")
            .has("/result/messages/0"));
  for (const char* params :
       {R"({"name":"nope"})", "{}", R"({"name":"explain_growth"})",
        R"({"name":"explain_growth","arguments":{"database":""}})",
        R"({"name":"explain_growth","arguments":{"database":7}})",
        R"({"name":"explain_growth","arguments":{"database":"x","colour":"red"}})",
        R"({"name":"explain_growth","arguments":[]})"}) {
    CAPTURE(params);
    CHECK(get(params).integer("/error/code") == kRpcInvalidParams);
  }
}

std::string complete_params(const std::string& ref, const std::string& name,
                            const std::string& value, const std::string& more = "") {
  return R"({"ref":)" + ref + R"(,"argument":{"name":")" + name + R"(","value":")" + value + "\"}" +
         more + "}";
}

TEST_CASE("completion: databases, levels and moments") {
  McpFixture f;
  test::set_fake_databases({"/data/app.db", "/data/other.db", "/srv/data/app.db"});
  McpClient client(*f.server);
  const auto values = [&](const std::string& params) {
    return client.answer(request("completion/complete", params)).raw("/result/completion/values");
  };
  const std::string prompt = R"({"type":"ref/prompt","name":"restore_to_moment"})";
  const std::string ltx = R"({"type":"ref/resource","uri":"litestream://db/{path}/ltx{?level}"})";
  CHECK(values(complete_params(prompt, "database", "/data/")) ==
        R"(["/data/app.db","/data/other.db","/srv/data/app.db"])");
  CHECK(values(complete_params(ltx, "path", "other")) == R"(["/data/other.db"])");
  CHECK(values(complete_params(ltx, "level", "9")) == R"(["9"])");
  CHECK(values(complete_params(prompt, "output", "/")) == "[]");
  CHECK(values(complete_params(prompt, "moment", "2026",
                               R"(,"context":{"arguments":{"database":"/data/app.db"}})")) ==
        R"(["2026-01-03T04:05:03.000Z","2026-01-03T04:05:01.000Z"])");
  // Nothing is opened to complete a name.
  CHECK(values(complete_params(prompt, "moment", "",
                               R"(,"context":{"arguments":{"database":"file:///other"}})")) ==
        "[]");
  for (const std::string& params :
       {std::string("{}"), complete_params(R"({"type":"ref/prompt","name":"nope"})", "x", ""),
        complete_params(R"({"type":"ref/resource","uri":"litestream://db/x"})", "x", ""),
        complete_params(R"({"type":"ref/tool","name":"x"})", "x", "")}) {
    CAPTURE(params);
    CHECK(client.answer(request("completion/complete", params)).integer("/error/code") ==
          kRpcInvalidParams);
  }
}

TEST_CASE("completion: at most a hundred values, and how many there are") {
  McpFixture f;
  std::vector<std::string> databases;
  for (int i = 0; i < 150; ++i) databases.push_back("/data/" + std::to_string(1000 + i));
  test::set_fake_databases(databases);
  McpClient client(*f.server);
  const Json reply = client.answer(
      request("completion/complete",
              complete_params(R"({"type":"ref/prompt","name":"explain_growth"})", "database", "")));
  CHECK(reply.at("/result/completion/values").get_array().size() == 100);
  CHECK(reply.integer("/result/completion/total") == 150);
  CHECK(bool(reply.at("/result/completion/hasMore")));
}

TEST_CASE("lists come in pages that together are the whole") {
  McpServer::Options options;
  options.page_size = 4;
  McpFixture f({}, {}, options);
  McpClient client(*f.server);
  std::vector<std::string> names;
  std::string params = "{}";
  for (int page = 0; page < 10; ++page) {
    const Json reply = client.answer(request("tools/list", params));
    for (const simdjson::dom::element tool : reply.at("/result/tools").get_array()) {
      names.emplace_back(std::string_view(tool["name"]));
    }
    if (!reply.has("/result/nextCursor")) break;
    CHECK(reply.at("/result/tools").get_array().size() == 4);
    params = R"({"cursor":)" + reply.raw("/result/nextCursor") + "}";
  }
  CHECK(names.size() == 15);
  CHECK(std::set<std::string>(names.begin(), names.end()).size() == 15);
  for (const char* cursor : {"\"from-15\"", "\"from-\"", "\"from--1\"", "\"from-1x\"", "\"x\"", "7",
                             "\"from-99999999999999999999\""}) {
    CHECK(client.answer(request("tools/list", R"({"cursor":)" + std::string(cursor) + "}"))
              .integer("/error/code") == kRpcInvalidParams);
  }
}

TEST_CASE("a batch is for sessions of 2025-03-26 alone") {
  McpFixture f;
  McpClient old(*f.server);
  old.initialize("{}", "2025-03-26");
  const std::string batch = "[" + request("ping", "{}", "1") + "," +
                            test::notification("notifications/initialized") + "," +
                            request("nope", "{}", "\"b\"") + ",7]";
  const Json reply = old.answer(batch);
  CHECK(reply.root().get_array().size() == 3);
  CHECK(reply.raw("/0") == R"({"jsonrpc":"2.0","id":1,"result":{}})");
  CHECK(reply.text("/1/id") == "b");
  CHECK(reply.integer("/2/error/code") == kRpcInvalidRequest);
  CHECK(old.send("[" + test::notification("notifications/initialized") + "]").http_status == 202);
  CHECK(old.send("[]").http_status == 400);
  CHECK(old.send("[" + request("ping") + "," + "{]").http_status == 400);
  std::string many = "[" + request("ping");
  for (int i = 0; i < 100; ++i) many += "," + request("ping");
  CHECK(old.send(many + "]").http_status == 400);
  McpClient recent(*f.server);
  recent.initialize();
  CHECK(recent.send(batch).http_status == 400);
}

}  // namespace
}  // namespace litestream
