// Every provider that the notes of UPSTREAM.md and FAULTS.md F10 speak of: the settings we choose
// for its host, against a server with its habits. Nothing that it would refuse may be sent.
#include <catch2/catch.hpp>

#include "tests/support/prng.h"
#include "tests/support/s3_fixture.h"
#include "tests/support/store_contract.h"
#include "tests/support/test_hash.h"

namespace litestream {
namespace {

using test::S3Op;
using test::S3Server;

constexpr int64_t kTimeMs = 1767413106789;

struct Provider {
  const char* name;
  const char* url;
  const char* region;
  bool is_path_style;
  test::S3Habits habits;
};

test::S3Habits strict() {
  test::S3Habits habits;
  habits.needs_signed_payload = true;
  return habits;
}

std::vector<Provider> providers() {
  test::S3Habits plain;
  test::S3Habits r2 = strict();
  r2.parts_at_once_max = 2;
  test::S3Habits path = strict();
  path.needs_path_style = true;
  test::S3Habits backblaze = path;
  backblaze.put_spacing_ms = 1000;
  test::S3Habits tigris = strict();
  tigris.refuses_content_md5 = true;
  tigris.needs_md5_on_delete_many = false;
  tigris.needs_tigris_consistent = true;
  test::S3Habits oracle = path;
  test::S3Habits google;
  google.lacks_delete_many = true;
  google.refuses_conditions = true;
  return {
      {"aws", "s3://bucket/app?region=eu-west-1", "eu-west-1", false, plain},
      {"aws host form", "s3://bucket.s3.eu-central-1.amazonaws.com/app", "eu-central-1", false,
       plain},
      {"r2", "s3://bucket/app?endpoint=https://0123456789abcdef.r2.cloudflarestorage.com", "auto",
       true, r2},
      {"backblaze", "s3://bucket.s3.us-west-002.backblazeb2.com/app", "us-west-002", true,
       backblaze},
      {"tigris", "s3://bucket/app?endpoint=https://fly.storage.tigris.dev", "auto", true, tigris},
      {"digitalocean", "s3://bucket.nyc3.digitaloceanspaces.com/app", "nyc3", false, strict()},
      {"hetzner", "s3://bucket/app?endpoint=https://fsn1.your-objectstorage.com", "fsn1", true,
       strict()},
      {"scaleway", "s3://bucket.s3.fr-par.scw.cloud/app", "fr-par", false, strict()},
      {"supabase",
       "s3://bucket/app?endpoint=https://abcdefgh.supabase.co/storage/v1/s3&region=eu-west-2",
       "eu-west-2", true, path},
      {"wasabi", "s3://bucket/app?endpoint=https://s3.eu-central-2.wasabisys.com", "eu-central-2",
       true, plain},
      {"filebase", "s3://bucket/app?endpoint=https://s3.filebase.com", "us-east-1", true, path},
      {"minio", "s3://bucket.127.0.0.1:9000/app", "us-east-1", true, path},
      {"oracle",
       "s3://bucket/app?endpoint=https://ns.compat.objectstorage.eu-frankfurt-1.oraclecloud.com",
       "eu-frankfurt-1", true, oracle},
      {"google", "s3://bucket/app?endpoint=https://storage.googleapis.com", "auto", true, google},
      {"alibaba", "oss://bucket/app?region=eu-central-1", "eu-central-1", false, strict()},
  };
}

// What the URL means for the provider, sent to `server` instead.
S3ClientParts parts_for(const Provider& provider, const S3Server& server) {
  StoreSpec spec;
  spec.url = provider.url;
  spec.settings = {{"access-key-id", server.options().credentials.access_key},
                   {"secret-access-key", server.options().credentials.secret_key}};
  S3ClientParts parts;
  const auto options = resolve_s3_options(spec, [](const std::string&) { return std::nullopt; });
  INFO(options.status().message());
  REQUIRE(options.ok());
  parts.options = *options;
  CHECK(parts.options.region == provider.region);
  CHECK(parts.options.path_style == provider.is_path_style);
  const bool is_aws = parts.options.provider->is_aws;
  parts.options.endpoint =
      parse_s3_endpoint(provider.is_path_style ? server.url() : server.localhost_url()).value();
  // Amazon's endpoint follows from the region, unless somebody named another.
  if (is_aws) parts.options.endpoint_source = EndpointSource::kSettings;
  parts.options.skip_verify = true;
  parts.fs = &posix_file_system();
  parts.environment = [](const std::string&) { return std::nullopt; };
  return parts;
}

void exercise(S3Store& store, size_t large_bytes) {
  REQUIRE(store.check_writable().ok());
  const LtxFileInfo small{0, Txid{1}, Txid{1}, 0, kTimeMs};
  const LtxFileInfo large{9, Txid{1}, Txid{1}, 0, kTimeMs};
  const std::string content = test::Prng(1).bytes(large_bytes);
  CHECK(test::put_file(store, small, "the bytes").ok());
  CHECK(test::put_file(store, small, "the bytes").ok());
  CHECK(test::put_file(store, small, "other").code() == StatusCode::kAlreadyExists);
  CHECK(test::put_file(store, large, content).ok());
  CHECK(test::get_file(store, small).value() == "the bytes");
  CHECK((test::get_file(store, large, 1 << 20).value() == content));
  auto listed = store.list(0).value();
  REQUIRE(listed.size() == 1);
  REQUIRE(store.fill_times(listed).ok());
  CHECK(listed[0].created_at_ms == kTimeMs);
  const auto first = store.write_lease({1, kTimeMs, "host:1", ""}, "");
  if (first.ok()) {
    const auto second = store.write_lease({2, kTimeMs, "host:1", ""}, first->etag);
    CHECK(second.ok());
    CHECK(store.read_lease().value()->generation == 2);
  } else {
    CHECK(first.status().code() == StatusCode::kUnsupported);
    CHECK_FALSE(store.warning().empty());
  }
  const std::vector<LtxFileInfo> files = {small, large};
  Status why;
  CHECK(store.remove(files, &why).value().empty());
  CHECK(why.message() == "");
  CHECK(store.list(0).value().empty());
}

TEST_CASE("s3 providers: what each of them wants") {
  for (const Provider& provider : providers()) {
    CAPTURE(provider.name);
    test::S3Options options;
    options.region = provider.region;
    options.habits = provider.habits;
    options.is_tls = true;
    S3Server server(options);
    S3Store store(parts_for(provider, server));
    // Three parts where that makes a difference, else two.
    exercise(store, provider.habits.parts_at_once_max > 0 ? (10 << 20) + 77 : (5 << 20) + 77);
    for (const std::string& line : server.log()) {
      CAPTURE(line);
      // Only conditions may be refused, and they only where that is how one finds out.
      const bool is_probe = line.find("probe") != std::string::npos;
      const bool is_refused = line.find(" -> 4") != std::string::npos &&
                              line.find(" -> 404") == std::string::npos &&
                              line.find(" -> 412") == std::string::npos;
      CHECK_FALSE(is_refused);
      CHECK(line.find(" -> 500") == std::string::npos);
      const bool may_be_501 = is_probe || provider.habits.refuses_conditions;
      CHECK((may_be_501 || line.find(" -> 501") == std::string::npos));
      CHECK_FALSE((provider.habits.lacks_delete_many && line.find("delete_many") == 0));
    }
    if (provider.habits.parts_at_once_max > 0) {
      CHECK(server.parts_at_once_seen() <= provider.habits.parts_at_once_max);
    }
    CHECK(server.connection_count() < 20);
  }
}

TEST_CASE("s3 providers: payloads are signed unless the provider trusts TLS, or as asked for") {
  const auto payload_of = [](const std::string& query, bool is_tls) {
    test::S3Options options;
    options.is_tls = is_tls;
    S3Server server(options);
    test::S3Opening opening;
    opening.query = "&skip-verify=true" + query;
    const auto store = test::open_s3(server, opening);
    REQUIRE(test::put_file(*store, {0, Txid{1}, Txid{1}, 0, kTimeMs}, "x").ok());
    return server.requests(S3Op::kPut).at(0).wire.header("x-amz-content-sha256");
  };
  CHECK(payload_of("", true) != "UNSIGNED-PAYLOAD");
  CHECK(payload_of("", false) != "UNSIGNED-PAYLOAD");
  CHECK(payload_of("&sign-payload=false", true) == "UNSIGNED-PAYLOAD");
  CHECK(payload_of("&sign-payload=true", true) != "UNSIGNED-PAYLOAD");
}

TEST_CASE("s3: storage class and encryption travel with the object, in parts too") {
  test::S3Options options;
  options.is_tls = true;
  S3Server server(options);
  const std::string content = test::Prng(1).bytes((5 << 20) + 1);
  const auto check_headers = [&](const std::string& query,
                                 std::vector<std::pair<std::string, std::string>> settings,
                                 const char* header, const std::string& value) {
    CAPTURE(query);
    server.clear();
    test::S3Opening opening;
    opening.query = "&skip-verify=true" + query;
    opening.settings = std::move(settings);
    const auto store = test::open_s3(server, opening);
    for (const std::string& bytes : {content, std::string("small")}) {
      const LtxFileInfo file{9, Txid{1}, Txid{bytes.size()}, 0, kTimeMs};
      REQUIRE(test::put_file(*store, file, bytes).ok());
      const auto object = server.object(test::s3_key(9, 1, bytes.size()));
      REQUIRE(object);
      const std::string* found = test::find_header(object->metadata, header);
      REQUIRE(found != nullptr);
      CHECK(*found == value);
      CHECK(test::get_file(*store, file, 1 << 20).value() == bytes);
    }
  };
  check_headers("&storage-class=STANDARD_IA", {}, "x-amz-storage-class", "STANDARD_IA");
  check_headers("", {{"sse-kms-key-id", "arn:aws:kms:key"}},
                "x-amz-server-side-encryption-aws-kms-key-id", "arn:aws:kms:key");
  const std::string key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
  check_headers("", {{"sse-customer-key", key}}, "x-amz-server-side-encryption-customer-key-md5",
                test::base64(test::md5("01234567890123456789012345678901")));
  // Without the key the object stays closed.
  test::S3Opening without;
  without.query = "&skip-verify=true";
  CHECK_FALSE(
      test::get_file(*test::open_s3(server, without), {9, Txid{1}, Txid{5}, 0, kTimeMs}).ok());
}

TEST_CASE("s3: a region that the store corrects is learned once") {
  test::S3Options options;
  options.region = "eu-north-1";
  S3Server server(options);
  Provider provider{"aws", "s3://bucket/app", "us-east-1", false, {}};
  S3Store store(parts_for(provider, server));
  CHECK(test::put_file(store, {0, Txid{1}, Txid{1}, 0, kTimeMs}, "x").ok());
  CHECK(test::put_file(store, {0, Txid{2}, Txid{2}, 0, kTimeMs}, "x").ok());
  CHECK(server.count(S3Op::kPut) == 3);
}

}  // namespace
}  // namespace litestream
