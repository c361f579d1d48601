// Where keys come from, where they may go, and what happens when they end (FAULTS.md F8). The judge
// is the S3 server: it knows which key is whose and recomputes every signature.
#include <catch2/catch.hpp>
#include <map>

#include "tests/support/aws_services.h"
#include "tests/support/s3_fixture.h"
#include "tests/support/store_contract.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_xml.h"
#include "tests/support/text_reader.h"

namespace litestream {
namespace {

using test::AwsServices;
using test::S3Credentials;
using test::S3Op;
using test::S3Server;

constexpr int64_t kTimeMs = 1767413106789;
constexpr int64_t kMinuteMs = 60'000;

using Variables = std::map<std::string, std::string>;

StoreEnvironment environment_of(const Variables* variables) {
  return [variables](const std::string& name) -> std::optional<std::string> {
    const auto found = variables->find(name);
    if (found == variables->end()) return std::nullopt;
    return found->second;
  };
}

Status put_one(S3Store& store, uint64_t txid = 1) {
  return test::put_file(store, {0, Txid{txid}, Txid{txid}, 0, kTimeMs}, "x");
}

// Amazon as far as the store can see: all that lies about in the environment may sign for it.
struct Amazon {
  Variables variables;
  test::VirtualTime time{system_clock().wall_ms()};
  S3Server server{[] {
    test::S3Options options;
    options.is_tls = true;
    return options;
  }()};

  test::TrustedServer trust{server};

  std::unique_ptr<S3Store> open(bool skip_verify = false) {
    StoreSpec spec;
    spec.url = "s3://bucket/app";
    S3ClientParts parts;
    // No endpoint of the environment: this is about keys.
    parts.options = resolve_s3_options(spec, nullptr).value();
    parts.options.endpoint = parse_s3_endpoint(server.url()).value();
    parts.options.endpoint_source = EndpointSource::kSettings;
    parts.options.path_style = true;
    parts.options.skip_verify = skip_verify;
    parts.fs = &posix_file_system();
    parts.environment = environment_of(&variables);
    parts.world = {&time, &time, 1};
    return std::make_unique<S3Store>(std::move(parts));
  }
  void expect(const AwsServices::Keys& keys) {
    server.set_credentials({{keys.access_key, keys.secret_key, keys.session_token, false}});
  }
  std::string in_ms(int64_t ms) const { return format_rfc3339_ms(time.wall_ms() + ms); }
};

TEST_CASE("s3 keys: from variables, with a session token") {
  Amazon amazon;
  const S3Credentials& keys = amazon.server.options().credentials;
  CHECK(put_one(*amazon.open()).code() == StatusCode::kInvalidArgument);
  CHECK(amazon.server.request_count() == 0);
  amazon.variables = {{"AWS_ACCESS_KEY_ID", keys.access_key},
                      {"AWS_SECRET_ACCESS_KEY", keys.secret_key},
                      {"AWS_EC2_METADATA_DISABLED", "true"}};
  CHECK(put_one(*amazon.open()).ok());
  // Whoever answers without a certificate gets nothing of it.
  const uint64_t before = amazon.server.request_count();
  CHECK_FALSE(put_one(*amazon.open(true), 2).ok());
  CHECK(amazon.server.request_count() == before);
  amazon.server.set_credentials({{keys.access_key, keys.secret_key, "session//token", false}});
  CHECK_FALSE(put_one(*amazon.open(), 2).ok());
  amazon.variables["AWS_SESSION_TOKEN"] = "session//token";
  CHECK(put_one(*amazon.open(), 2).ok());
  amazon.variables = {{"LITESTREAM_ACCESS_KEY_ID", keys.access_key},
                      {"LITESTREAM_SECRET_ACCESS_KEY", keys.secret_key}};
  amazon.server.set_credentials({{keys.access_key, keys.secret_key, "", false}});
  CHECK(put_one(*amazon.open(), 3).ok());
}

TEST_CASE("s3 keys: from a profile") {
  const test::TempDir dir;
  Amazon amazon;
  const S3Credentials& keys = amazon.server.options().credentials;
  const std::string file = test::write_text_file(
      dir.file("credentials"),
      "# comment\n[default]\naws_access_key_id = WRONG\n"
      "aws_secret_access_key = WRONG\n\n[backup]\naws_access_key_id=" +
          keys.access_key + "\n  aws_secret_access_key = " + keys.secret_key + "\n");
  const std::string flat = test::write_text_file(
      dir.file("flat"), "[backup]\naws_access_key_id=" + keys.access_key +
                            "\naws_secret_access_key = " + keys.secret_key + "\n");
  amazon.variables = {{"AWS_SHARED_CREDENTIALS_FILE", flat},
                      {"AWS_CONFIG_FILE", dir.file("none")},
                      {"AWS_PROFILE", "backup"},
                      {"AWS_EC2_METADATA_DISABLED", "true"}};
  CHECK(put_one(*amazon.open()).ok());
  amazon.variables["AWS_PROFILE"] = "nobody";
  const Status missing = put_one(*amazon.open(), 2);
  CHECK_FALSE(missing.ok());
  CHECK(missing.message().find("nobody") != std::string::npos);
  amazon.variables["AWS_SHARED_CREDENTIALS_FILE"] = file;
  amazon.variables["AWS_PROFILE"] = "default";
  CHECK_FALSE(put_one(*amazon.open(), 2).ok());
}

// The three services, each with the variables that lead there.
std::vector<Variables> service_variables(const AwsServices& services, const test::TempDir& dir) {
  const std::string token_file =
      test::write_text_file(dir.file("token"), std::string(AwsServices::kWebIdentityToken) + "\n");
  return {{{"AWS_WEB_IDENTITY_TOKEN_FILE", token_file},
           {"AWS_ROLE_ARN", AwsServices::kRoleArn},
           {"AWS_ENDPOINT_URL_STS", services.url()}},
          {{"AWS_CONTAINER_CREDENTIALS_FULL_URI", services.url() + "/container?id=1"},
           {"AWS_CONTAINER_AUTHORIZATION_TOKEN", AwsServices::kContainerToken}},
          {{"AWS_EC2_METADATA_SERVICE_ENDPOINT", services.url()}}};
}

TEST_CASE("s3 keys: from STS, a container's agent and a machine, renewed before they end") {
  const test::TempDir dir;
  AwsServices services;
  for (size_t kind = 0; kind < 3; ++kind) {
    CAPTURE(kind);
    Amazon amazon;
    amazon.variables = service_variables(services, dir)[kind];
    amazon.variables["AWS_SHARED_CREDENTIALS_FILE"] = dir.file("none");
    amazon.variables["AWS_CONFIG_FILE"] = dir.file("none");
    AwsServices::Keys first;
    first.expiration = amazon.in_ms(8 * kMinuteMs);
    services.set_keys(first);
    amazon.expect(first);
    const int before = services.hand_out_count();
    const auto store = amazon.open();
    for (uint64_t txid = 1; txid <= 5; ++txid) REQUIRE(put_one(*store, txid).ok());
    CHECK(services.hand_out_count() == before + 1);
    // The service has new ones; the old ones still hold, but not for long.
    AwsServices::Keys second = first;
    second.access_key = "ASIASECONDSECONDSECO";
    second.secret_key += "2";
    second.session_token += "2";
    second.expiration = amazon.in_ms(60 * kMinuteMs);
    services.set_keys(second);
    amazon.time.advance_ms(4 * kMinuteMs);
    amazon.expect(second);
    REQUIRE(put_one(*store, 6).ok());
    CHECK(services.hand_out_count() == before + 2);
    for (const std::string& line : amazon.server.log()) CHECK(line.find("403") == line.npos);
  }
  CHECK(services.refusal_count() == 0);
}

TEST_CASE("s3 keys: a service that fails while the old keys are good does not matter") {
  const test::TempDir dir;
  AwsServices services;
  Amazon amazon;
  amazon.variables = service_variables(services, dir)[2];
  amazon.variables["HOME"] = dir.path();
  AwsServices::Keys keys;
  keys.expiration = amazon.in_ms(8 * kMinuteMs);
  services.set_keys(keys);
  amazon.expect(keys);
  const auto store = amazon.open();
  REQUIRE(put_one(*store, 1).ok());
  services.set_broken(true);
  amazon.time.advance_ms(5 * kMinuteMs);
  CHECK(put_one(*store, 2).ok());
  amazon.time.advance_ms(4 * kMinuteMs);
  const Status status = put_one(*store, 3);
  CHECK_FALSE(status.ok());
  services.set_broken(false);
  keys.expiration = amazon.in_ms(60 * kMinuteMs);
  services.set_keys(keys);
  amazon.time.advance_ms(kMinuteMs);
  CHECK(put_one(*store, 3).ok());
}

TEST_CASE("s3 keys: refused keys are looked up again") {
  Amazon amazon;
  amazon.variables = {{"AWS_ACCESS_KEY_ID", "OLDKEYOLDKEYOLDKEYOL"},
                      {"AWS_SECRET_ACCESS_KEY", "old secret"},
                      {"AWS_SESSION_TOKEN", "old"}};
  amazon.server.set_credentials({{"OLDKEYOLDKEYOLDKEYOL", "old secret", "old", false},
                                 {"NEWKEYNEWKEYNEWKEYNE", "new secret", "new", false}});
  const auto store = amazon.open();
  REQUIRE(put_one(*store, 1).ok());
  amazon.server.set_credentials({{"OLDKEYOLDKEYOLDKEYOL", "old secret", "old", true},
                                 {"NEWKEYNEWKEYNEWKEYNE", "new secret", "new", false}});
  amazon.time.advance_ms(kMinuteMs);
  const Status expired = put_one(*store, 2);
  CHECK(expired.code() == StatusCode::kIo);
  CHECK(expired.message().find("ExpiredToken") != std::string::npos);
  amazon.variables = {{"AWS_ACCESS_KEY_ID", "NEWKEYNEWKEYNEWKEYNE"},
                      {"AWS_SECRET_ACCESS_KEY", "new secret"},
                      {"AWS_SESSION_TOKEN", "new"}};
  amazon.time.advance_ms(kMinuteMs);
  CHECK(put_one(*store, 2).ok());
}

TEST_CASE("s3 keys: a clock that is wrong is corrected by the store's") {
  for (const int64_t offset_s : {3600, -3600, 86400}) {
    CAPTURE(offset_s);
    S3Server server;
    server.set_clock_offset_s(offset_s);
    const auto store = test::open_s3(server);
    CHECK(put_one(*store, 1).ok());
    CHECK(put_one(*store, 2).ok());
    CHECK(server.count(S3Op::kPut) == 3);
  }
}

TEST_CASE("s3 keys: what lies about is not sent to an endpoint that somebody chose") {
  S3Server server;
  const S3Credentials& keys = server.options().credentials;
  Variables variables = {{"AWS_ACCESS_KEY_ID", keys.access_key},
                         {"AWS_SECRET_ACCESS_KEY", keys.secret_key},
                         {"AWS_SESSION_TOKEN", "ambient-token"},
                         {"LITESTREAM_ACCESS_KEY_ID", keys.access_key},
                         {"LITESTREAM_SECRET_ACCESS_KEY", keys.secret_key}};
  test::S3Opening opening;
  opening.with_keys = false;
  opening.environment = environment_of(&variables);
  const Status refused = put_one(*test::open_s3(server, opening));
  CHECK(refused.code() == StatusCode::kInvalidArgument);
  CHECK(server.request_count() == 0);
  // An endpoint that the same environment names gets them.
  variables["AWS_ENDPOINT_URL_S3"] = server.url();
  server.set_credentials({{keys.access_key, keys.secret_key, "ambient-token", false}});
  CHECK(put_one(*test::open_s3(server, opening)).ok());
  // Another one does not.
  S3Server other;
  CHECK_FALSE(put_one(*test::open_s3(other, opening)).ok());
  CHECK(other.request_count() == 0);
}

TEST_CASE("s3 keys: no secret in any message, URL or warning") {
  const std::string token = "session-token-that-nobody-may-see";
  const std::string sse_key = "c2VjcmV0IGtleSBvZiB0aGUgY3VzdG9tZXIgMzIgYnk=";
  test::S3Options options;
  options.is_tls = true;
  options.credentials.session_token = token;
  S3Server server(options);
  const S3Credentials& keys = options.credentials;
  Variables variables = {{"AWS_ACCESS_KEY_ID", keys.access_key},
                         {"AWS_SECRET_ACCESS_KEY", keys.secret_key},
                         {"AWS_SESSION_TOKEN", token},
                         {"AWS_ENDPOINT_URL_S3", server.url()}};
  test::VirtualTime time(system_clock().wall_ms());
  test::S3Opening opening;
  opening.with_keys = false;
  opening.environment = environment_of(&variables);
  opening.query = "&skip-verify=true";
  opening.settings = {{"sse-customer-key", sse_key}};
  opening.time = &time;
  const auto store = test::open_s3(server, opening);
  REQUIRE(put_one(*store).ok());
  std::vector<std::string> messages = {store->url(), store->path_of({0, Txid{1}, Txid{1}, 0, 0})};
  const auto collect = [&] {
    messages.push_back(put_one(*store, 9).message());
    messages.push_back(store->list(0).status().message());
    messages.push_back(
        test::get_file(*store, {0, Txid{1}, Txid{1}, 0, kTimeMs}).status().message());
    Status why;
    const std::vector<LtxFileInfo> files = {{0, Txid{1}, Txid{1}, 0, kTimeMs}};
    (void)store->remove(files, &why).ok();
    messages.push_back(why.message());
    messages.push_back(store->check_writable().message());
    messages.push_back(store->warning());
  };
  // A store, or something before it, that repeats what it was sent.
  server.set_fault([&](const test::S3Request& request) {
    const std::string body = "<Error><Code>AccessDenied</Code><Message>you sent " +
                             test::xml_escape(request.wire.head) + keys.secret_key + token +
                             "</Message></Error>";
    test::S3Fault fault;
    fault.kind = test::S3Fault::Kind::kRaw;
    fault.code = "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: " +
                 std::to_string(body.size()) + "\r\n\r\n" + body;
    return std::optional(fault);
  });
  collect();
  for (const auto kind : {test::S3Fault::Kind::kLoseReply, test::S3Fault::Kind::kError}) {
    server.set_fault([kind](const test::S3Request&) {
      test::S3Fault fault;
      fault.kind = kind;
      return std::optional(fault);
    });
    collect();
  }
  server.set_fault(nullptr);
  server.set_credentials({{keys.access_key, "another", token, false}});
  collect();
  server.stop();
  collect();
  const std::string signature = server.requests(S3Op::kPut).at(0).wire.header("authorization");
  int error_count = 0;
  for (const std::string& message : messages) {
    error_count += message.empty() ? 0 : 1;
    for (const std::string& secret :
         {keys.secret_key, token, sse_key, signature.substr(signature.size() - 64)}) {
      CHECK(message.find(secret) == std::string::npos);
    }
  }
  CHECK(error_count > 20);
}

}  // namespace
}  // namespace litestream
