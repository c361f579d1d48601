// What an s3 or oss URL and the settings beside it come to.
#include "ext/store/s3_options.h"

#include <catch2/catch.hpp>
#include <map>

#include "ext/store/credentials.h"
#include "ext/store/store_factory.h"

namespace litestream {
namespace {

using Variables = std::map<std::string, std::string>;

StoreEnvironment environment_of(const Variables& variables) {
  return [variables](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
}

Result<S3Options> resolve(std::string url,
                          std::vector<std::pair<std::string, std::string>> settings = {},
                          const Variables& variables = {}) {
  StoreSpec spec;
  spec.url = std::move(url);
  spec.settings = std::move(settings);
  return resolve_s3_options(spec, environment_of(variables));
}

S3Options resolved(std::string url, std::vector<std::pair<std::string, std::string>> settings = {},
                   const Variables& variables = {}) {
  const auto options = resolve(std::move(url), std::move(settings), variables);
  INFO(options.status().message());
  REQUIRE(options.ok());
  return *options;
}

TEST_CASE("s3 url: a bucket on Amazon") {
  const S3Options options = resolved("s3://bucket/a//b/./c/../d/");
  CHECK(options.type == "s3");
  CHECK(options.bucket == "bucket");
  CHECK(options.prefix == "a/b/d");
  CHECK(options.endpoint.url() == "https://s3.us-east-1.amazonaws.com");
  CHECK(options.endpoint_in("eu-west-1").url() == "https://s3.eu-west-1.amazonaws.com");
  CHECK(options.endpoint_in("cn-north-1").url() == "https://s3.cn-north-1.amazonaws.com.cn");
  CHECK(options.region_is_guess);
  CHECK_FALSE(options.path_style);
  CHECK_FALSE(options.signs_payload);
  CHECK(options.sends_content_md5);
  CHECK(options.part_bytes == 5 << 20);
  CHECK(options.concurrency == 5);
  CHECK(options.url == "s3://bucket/a/b/d");
  CHECK(resolved("s3://bucket").prefix.empty());
  // One label of a wildcard certificate.
  CHECK(resolved("s3://my.bucket/p").path_style);
}

TEST_CASE("s3 url: hosts of known providers") {
  struct Row {
    const char* url;
    const char* bucket;
    const char* endpoint;
    const char* region;
    bool path_style;
    bool signs_payload;
  };
  const Row rows[] = {
      {"s3://b12.s3.amazonaws.com/p", "b12", "https://s3.us-east-1.amazonaws.com", "us-east-1",
       false, false},
      {"s3://b12.s3.eu-west-3.amazonaws.com/p", "b12", "https://s3.eu-west-3.amazonaws.com",
       "eu-west-3", false, false},
      {"s3://b12.s3-eu-west-3.amazonaws.com/p", "b12", "https://s3.eu-west-3.amazonaws.com",
       "eu-west-3", false, false},
      {"s3://b12.s3.cn-north-1.amazonaws.com.cn/p", "b12", "https://s3.cn-north-1.amazonaws.com.cn",
       "cn-north-1", false, false},
      {"s3://b12.s3.dualstack.eu-west-3.amazonaws.com/p", "b12",
       "https://s3.dualstack.eu-west-3.amazonaws.com", "eu-west-3", false, false},
      {"s3://a.b.s3.us-west-002.backblazeb2.com/p", "a.b", "https://s3.us-west-002.backblazeb2.com",
       "us-west-002", true, true},
      {"s3://b12.nyc3.digitaloceanspaces.com/p", "b12", "https://nyc3.digitaloceanspaces.com",
       "nyc3", false, true},
      {"s3://b12.s3.fr-par.scw.cloud/p", "b12", "https://s3.fr-par.scw.cloud", "fr-par", false,
       true},
      {"s3://b12.fsn1.your-objectstorage.com/p", "b12", "https://fsn1.your-objectstorage.com",
       "fsn1", false, true},
      {"s3://b12.acc123.r2.cloudflarestorage.com/p", "b12",
       "https://acc123.r2.cloudflarestorage.com", "auto", false, true},
      {"s3://b12.fly.storage.tigris.dev/p", "b12", "https://fly.storage.tigris.dev", "auto", false,
       true},
      {"s3://b12.s3.eu-central-1.wasabisys.com/p", "b12", "https://s3.eu-central-1.wasabisys.com",
       "eu-central-1", false, false},
      {"s3://b12.s3.filebase.com/p", "b12", "https://s3.filebase.com", "us-east-1", true, true},
      {"s3://b12.storage.googleapis.com/p", "b12", "https://storage.googleapis.com", "auto", false,
       false},
      {"s3://b12.eu-central-1.linodeobjects.com/p", "b12", "https://eu-central-1.linodeobjects.com",
       "eu-central-1", false, true},
      {"s3://b12.localhost:9000/p", "b12", "http://localhost:9000", "us-east-1", true, true},
      {"s3://b12.minio.internal:9000/p", "b12", "http://minio.internal:9000", "us-east-1", true,
       true},
      {"oss://b12/p", "b12", "https://s3.oss-cn-hangzhou.aliyuncs.com", "cn-hangzhou", false, true},
      {"oss://b12.oss-cn-shanghai.aliyuncs.com/p", "b12", "https://s3.oss-cn-shanghai.aliyuncs.com",
       "cn-shanghai", false, true},
      {"oss://b12/p?region=eu-central-1", "b12", "https://s3.oss-eu-central-1.aliyuncs.com",
       "eu-central-1", false, true},
  };
  for (const Row& row : rows) {
    CAPTURE(row.url);
    const S3Options options = resolved(row.url);
    CHECK(options.bucket == row.bucket);
    CHECK(options.endpoint.url() == row.endpoint);
    CHECK(options.region == row.region);
    CHECK(options.path_style == row.path_style);
    CHECK(options.signs_payload == row.signs_payload);
    CHECK(options.prefix == "p");
  }
}

TEST_CASE("s3 url: endpoints, defaults of their providers") {
  struct Row {
    const char* endpoint;
    const char* provider;
    bool path_style;
    bool signs_payload;
    bool md5;
    int concurrency;
  };
  const Row rows[] = {
      {"https://s3.us-west-002.backblazeb2.com", "Backblaze B2", true, true, true, 5},
      {"https://acc.r2.cloudflarestorage.com", "Cloudflare R2", true, true, true, 2},
      {"https://acc.eu.r2.cloudflarestorage.com", "Cloudflare R2", true, true, true, 2},
      {"https://fly.storage.tigris.dev", "Tigris", true, true, false, 5},
      {"https://t3.storage.dev", "Tigris", true, true, false, 5},
      {"https://nyc3.digitaloceanspaces.com", "DigitalOcean Spaces", true, true, true, 5},
      {"https://fsn1.your-objectstorage.com", "Hetzner", true, true, true, 5},
      {"https://s3.fr-par.scw.cloud", "Scaleway", true, true, true, 5},
      {"https://proj.supabase.co/storage/v1/s3", "Supabase", true, true, true, 5},
      {"https://proj.storage.supabase.co/storage/v1/s3", "Supabase", true, true, true, 5},
      {"https://s3.eu-central-1.wasabisys.com", "Wasabi", true, false, true, 5},
      {"https://s3.filebase.com", "Filebase", true, true, true, 5},
      {"https://storage.googleapis.com", "Google Cloud Storage", true, false, true, 5},
      {"https://oss-cn-beijing.aliyuncs.com", "Alibaba OSS", false, true, true, 5},
      {"https://s3.oss-cn-beijing-internal.aliyuncs.com", "Alibaba OSS", false, true, true, 5},
      {"https://ns.compat.objectstorage.eu-frankfurt-1.oraclecloud.com", "Oracle Cloud", true, true,
       true, 5},
      {"https://s3.eu-west-1.amazonaws.com", "Amazon S3", true, false, true, 5},
      {"http://minio:9000", "the S3-compatible store", true, true, true, 5},
      {"https://minio.example.com", "the S3-compatible store", true, true, true, 5},
      // Names that only look like somebody's.
      {"https://amazonaws.com.evil.example", "the S3-compatible store", true, true, true, 5},
      {"https://s3.filebase.com.evil.example", "the S3-compatible store", true, true, true, 5},
  };
  for (const Row& row : rows) {
    CAPTURE(row.endpoint);
    const S3Options options = resolved("s3://b12/p", {{"endpoint", row.endpoint}});
    CHECK(options.provider->name == row.provider);
    CHECK(options.path_style == row.path_style);
    CHECK(options.signs_payload == row.signs_payload);
    CHECK(options.sends_content_md5 == row.md5);
    CHECK(options.concurrency == row.concurrency);
    CHECK(options.endpoint_source == EndpointSource::kSettings);
  }
  CHECK(resolved("s3://b12/p?endpoint=proj.supabase.co/storage/v1/s3").endpoint.url() ==
        "https://proj.supabase.co/storage/v1/s3");
  CHECK(resolved("s3://b12/p?endpoint=s3.us-west-002.backblazeb2.com").region == "us-west-002");
  CHECK(resolved("s3://b12/p?endpoint=oss-cn-beijing.aliyuncs.com").endpoint.host ==
        "s3.oss-cn-beijing.aliyuncs.com");
}

TEST_CASE("s3 url: an endpoint without a scheme gets one") {
  for (const char* local : {"localhost:9000", "127.0.0.1:9000", "10.0.0.1", "192.168.1.1:80",
                            "172.20.0.2:9000", "nas.local:9000", "[::1]:9000", "x.localhost"}) {
    CAPTURE(local);
    CHECK(parse_s3_endpoint(local)->url().starts_with("http://"));
  }
  for (const char* remote : {"minio.example.com", "172.32.0.2:9000", "8.8.8.8", "minio:9000"}) {
    CAPTURE(remote);
    CHECK(parse_s3_endpoint(remote)->url().starts_with("https://"));
  }
  CHECK(parse_s3_endpoint("HTTPS://Host.Example:443/A/../b/")->url() == "https://host.example/b");
  CHECK(parse_s3_endpoint("http://h:80")->authority == "h");
  CHECK(parse_s3_endpoint("http://h:443")->authority == "h:443");
  for (const char* bad : {"", "ftp://h", "http://", "http://u:hunter2@h", "http://h?x=1", "h:0",
                          "h:99999", "h:x", "a b", "http://h#x"}) {
    CAPTURE(bad);
    const auto endpoint = parse_s3_endpoint(bad);
    REQUIRE_FALSE(endpoint.ok());
    CHECK(endpoint.status().message().find("hunter2") == std::string::npos);
  }
}

TEST_CASE("s3 url: parameters in both spellings, settings win") {
  const char* query =
      "?endpoint=http://h:9000&region=eu-1&forcePathStyle=false&skipVerify=1&signPayload=no&"
      "requireContentMD5=false&concurrency=3&partSize=6MiB&storageClass=STANDARD_IA&"
      "sseCustomerAlgorithm=AES256";
  const S3Options camel =
      resolved(std::string("s3://b12/p") + query,
               {{"endpoint", "https://h:9000"},
                {"sse-customer-key", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}});
  CHECK(camel.region == "eu-1");
  CHECK_FALSE(camel.region_is_guess);
  CHECK_FALSE(camel.path_style);
  CHECK(camel.skip_verify);
  CHECK_FALSE(camel.signs_payload);
  CHECK_FALSE(camel.sends_content_md5);
  CHECK(camel.concurrency == 3);
  CHECK(camel.part_bytes == 6 << 20);
  CHECK(camel.storage_class == "STANDARD_IA");
  CHECK(camel.sse_algorithm == "AES256");
  CHECK(camel.endpoint.is_https);
  const S3Options kebab = resolved(
      "s3://b12/p?force-path-style=true&skip-verify=false&sign-payload=true&part-size=10000000",
      {{"region", "x-1"}, {"sign-payload", "false"}, {"part-size", "7MB"}});
  CHECK(kebab.path_style);
  CHECK_FALSE(kebab.signs_payload);
  CHECK(kebab.part_bytes == 7'000'000);
  CHECK(kebab.region == "x-1");
  CHECK(resolved("s3:///p", {{"bucket", "b12"}}).bucket == "b12");
  CHECK(resolved("s3://b12/p", {{"bucket", "b12"}}).bucket == "b12");
}

TEST_CASE("s3 url: one spelling, without secrets") {
  CHECK(resolved("s3://b12/a%20b//c/?partSize=5MiB&endpoint=http://h:9000&region=x").url ==
        "s3://b12/a%20b/c?endpoint=http://h:9000&part-size=5MiB&region=x");
  CHECK(resolved("s3://b12", {{"endpoint", "localhost:9000"}}).url ==
        "s3://b12?endpoint=http://localhost:9000");
  CHECK(resolved("s3:///p", {{"bucket", "b12"}}).url == "s3://b12/p");
  const std::string key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
  const std::string with_key = "s3://b12/p?sseCustomerKey=" + key + "&sse-kms-key-id=";
  CHECK(*normalize_store_url(with_key, UrlSecrets::kDropped) == "s3://b12/p");
  const auto kept = normalize_store_url(with_key, UrlSecrets::kKept);
  REQUIRE(kept.ok());
  CHECK(resolved(*kept).sse_key == key);
  CHECK(*normalize_store_url(*kept, UrlSecrets::kKept) == *kept);
}

TEST_CASE("s3 url: what makes no sense is refused, and secrets are not repeated") {
  using Settings = std::vector<std::pair<std::string, std::string>>;
  const auto check = [](const std::string& url, const Settings& settings, const char* what) {
    CAPTURE(url, what);
    StoreSpec spec;
    spec.url = url;
    spec.settings = settings;
    const Status status = check_store_spec(spec);
    CHECK(status.code() == StatusCode::kInvalidArgument);
    CHECK(status.message().find(what) != std::string::npos);
    CHECK(status.message().find("hunter2") == std::string::npos);
  };
  check("s3://", {}, "bucket");
  check("s3:///p", {}, "bucket");
  check("s3://ab/p", {}, "bucket name");
  check("s3://b12/p", {{"bucket", "other"}}, "'bucket'");
  check("s3://AKIA:hunter2@b12/p", {}, "access-key-id");
  check("s3://b12/p?access-key-id=hunter2", {}, "does not belong into a URL");
  check("s3://b12/p?secretAccessKey=hunter2", {}, "does not belong into a URL");
  check("s3://b12/p?colour=hunter2", {}, "colour");
  check("s3://b12/p?part_size=5MiB", {}, "part_size");
  check("s3://b12/p?region=a&region=b", {}, "twice");
  check("s3://b12/p?region=a&Region=b", {}, "Region");
  check("s3://b12/p", {{"host", "hunter2"}}, "host");
  check("s3://b12/p", {{"region", "a\nb"}}, "line break");
  check("s3://b12/p?region=a/b", {}, "'region'");
  check("s3://b12/p?concurrency=0", {}, "'concurrency'");
  check("s3://b12/p?concurrency=65", {}, "'concurrency'");
  check("s3://b12/p?part-size=5MB", {}, "'part-size'");
  check("s3://b12/p?part-size=2GiB", {}, "'part-size'");
  check("s3://b12/p?part-size=9999999999999999999GiB", {}, "'part-size'");
  check("s3://b12/p?force-path-style=perhaps", {}, "'force-path-style'");
  check("s3://b12/p?storage-class=a%20b", {}, "'storage-class'");
  check("s3://b12/p?endpoint=ftp://h", {}, "endpoint");
  check("s3://b12/p?endpoint=http://u:hunter2@h", {}, "endpoint");
  check("s3://localhost:9000/p", {}, "bucket");
  check("s3://minio:9000/p", {}, "s3://bucket.host:port/prefix");
  check("s3://b12/p", {{"access-key-id", "x"}}, "belong together");
  check("s3://b12/p?sse-customer-key=hunter2", {}, "base64");
  check("s3://b12/p?sse-customer-algorithm=AES256", {}, "needs 'sse-customer-key'");
  check("s3://b12/p?sse-customer-algorithm=AES128&sse-customer-key=x", {}, "AES256");
  check("s3://b12/p?endpoint=http://h.example&sse-customer-key=x", {}, "needs https");
  check("s3://b12/p?sse-customer-key=x&sse-kms-key-id=y", {}, "cannot both");
  check("file:///a", {{"region", "x"}}, "region");
  CHECK(resolve("s3://arn:aws:s3:us-east-1:1:accesspoint/x").status().code() ==
        StatusCode::kUnsupported);
}

TEST_CASE("s3 environment: endpoint and region, where they may come from") {
  const Variables endpoint = {{"LITESTREAM_S3_ENDPOINT", "localhost:9000"}};
  const S3Options by_environment = resolved("s3://b12/p", {}, endpoint);
  CHECK(by_environment.endpoint.url() == "http://localhost:9000");
  CHECK(by_environment.endpoint_source == EndpointSource::kEnvironment);
  CHECK(by_environment.path_style);
  CHECK(by_environment.region == "us-east-1");
  CHECK(resolved("s3://b12/p", {}, {{"AWS_ENDPOINT_URL_S3", "http://x:1"}}).endpoint.authority ==
        "x:1");
  // A URL that says where it is does not ask.
  CHECK(resolved("s3://b12.s3.amazonaws.com/p", {}, endpoint).provider->is_aws);
  CHECK(resolved("s3://b12/p?endpoint=http://other:1", {}, endpoint).endpoint.authority ==
        "other:1");
  const Variables region = {{"AWS_REGION", "eu-west-1"}, {"AWS_DEFAULT_REGION", "x"}};
  CHECK(resolved("s3://b12/p", {}, region).region == "eu-west-1");
  CHECK(resolved("s3://b12/p", {}, region).region_is_guess);
  CHECK(resolved("s3://b12/p?region=us-east-2", {}, region).region == "us-east-2");
  CHECK(resolved("s3://b12/p?endpoint=http://minio:9000", {}, region).region == "us-east-1");
  StoreSpec spec;
  spec.url = "s3://b12/p";
  spec.ambient_credentials = false;
  Variables both = endpoint;
  both.insert(region.begin(), region.end());
  const auto foreign = resolve_s3_options(spec, environment_of(both));
  REQUIRE(foreign.ok());
  CHECK(foreign->endpoint_source == EndpointSource::kProvider);
  CHECK(foreign->region == "us-east-1");
}

TEST_CASE("s3 credentials: what lies about goes only where it belongs") {
  const auto policy = [](const std::string& url, const Variables& variables = {},
                         std::vector<std::pair<std::string, std::string>> settings = {}) {
    return ambient_policy(resolved(url, std::move(settings), variables), environment_of(variables));
  };
  const AmbientPolicy nothing;
  const AmbientPolicy everything = {true, true, false, true};
  const AmbientPolicy ours = {false, true, false, false};
  const AmbientPolicy variables_only = {true, true, false, false};
  CHECK(policy("s3://b12/p") == everything);
  CHECK(policy("s3://b12.s3.eu-west-1.amazonaws.com/p") == everything);
  CHECK(policy("s3://b12/p?endpoint=https://s3.eu-west-1.amazonaws.com") == everything);
  // By plain HTTP anybody may listen.
  CHECK(policy("s3://b12/p?endpoint=http://s3.eu-west-1.amazonaws.com") == nothing);
  // A URL that chooses its endpoint gets nothing, whatever it looks like.
  for (const char* url :
       {"s3://b12/p?endpoint=https://evil.example", "s3://b12.evil.example:9000/p",
        "s3://b12/p?endpoint=https://s3.amazonaws.com.evil.example",
        "s3://b12/p?endpoint=https://amazonaws.com", "s3://b12/p?endpoint=http://localhost:9000",
        "s3://b12/p?endpoint=https://evilamazonaws.com",
        "s3://b12/p?endpoint=https://x.execute-api.us-east-1.amazonaws.com",
        "s3://b12/p?endpoint=https://x.us-east-1.elb.amazonaws.com",
        "s3://b12/p?endpoint=https://s3.eu-west-1.amazonaws.com&skip-verify=true"}) {
    CAPTURE(url);
    CHECK(policy(url) == nothing);
  }
  // The operator's own words.
  CHECK(policy("s3://b12/p", {}, {{"endpoint", "https://minio.example"}}) == ours);
  CHECK(policy("s3://b12.nyc3.digitaloceanspaces.com/p") == ours);
  const Variables here = {{"LITESTREAM_S3_ENDPOINT", "http://localhost:9000"}};
  CHECK(policy("s3://b12/p", here) == variables_only);
  CHECK(policy("s3://b12/p?endpoint=localhost:9000", here) == variables_only);
  CHECK(policy("s3://b12/p?endpoint=localhost:9001", here) == nothing);
  CHECK(policy("s3://b12/p?endpoint=https://localhost:9000", here) == nothing);
  const AmbientPolicy oss = {false, true, true, false};
  CHECK(policy("oss://b12/p") == oss);
  CHECK(policy("oss://b12/p?endpoint=https://evil.example") == nothing);
  StoreSpec spec;
  spec.url = "s3://b12/p";
  spec.ambient_credentials = false;
  const auto foreign = resolve_s3_options(spec, environment_of(here));
  REQUIRE(foreign.ok());
  CHECK(ambient_policy(*foreign, environment_of(here)) == nothing);
}

TEST_CASE("s3 url: opening a store does nothing yet") {
  const auto store = open_store(posix_file_system(), "s3://b12.localhost:1/p");
  REQUIRE(store.ok());
  CHECK((*store)->type() == "s3");
  CHECK((*store)->url() == "s3://b12.localhost:1/p");
  CHECK((*store)->path_of({3, Txid{1}, Txid{0x1F}, 0, 0}) ==
        "s3://b12/p/0003/0000000000000001-000000000000001f.ltx");
  const auto oss = open_store(posix_file_system(), "OSS://b12");
  REQUIRE(oss.ok());
  CHECK((*oss)->type() == "oss");
  // Upstream writes a slash before the level even without a prefix.
  CHECK((*oss)->path_of({9, Txid{1}, Txid{2}, 0, 0}) ==
        "oss://b12//0009/0000000000000001-0000000000000002.ltx");
}

}  // namespace
}  // namespace litestream
