// Where keys come from, against scripted services and files.
#include "ext/store/credentials.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <thread>

#include "ext/store/aws_profile.h"
#include "tests/support/temp_dir.h"
#include "tests/support/text_reader.h"
#include "tests/support/virtual_time.h"
#include "tests/support/wire_server.h"

namespace litestream {
namespace {

using test::WireReply;
using test::WireRequest;
using test::WireServer;

// What a server saw, for the test's own thread.
class Recorder {
 public:
  void add(const WireRequest& request) {
    const std::lock_guard lock(mutex_);
    requests_.push_back(request);
  }
  std::vector<WireRequest> all() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<WireRequest> requests_;
};

void write_file(const std::string& path, const std::string& text) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

// Everything a chain lives in, with files in a temporary home.
struct World {
  test::TempDir dir;
  test::VirtualTime time;
  HttpClient http{{}};
  std::map<std::string, std::string> variables;

  CredentialInputs inputs(AmbientPolicy policy = {true, true, false, true}) {
    CredentialInputs in;
    in.policy = policy;
    in.endpoint = "endpoint.example";
    in.world.http = &http;
    in.world.fs = &posix_file_system();
    in.world.environment = [this](const std::string& name) -> std::optional<std::string> {
      const auto found = variables.find(name);
      return found == variables.end() ? std::nullopt : std::optional(found->second);
    };
    in.world.retry = {&time, &time, 1};
    return in;
  }
  World() {
    variables["HOME"] = dir.path();
    variables["AWS_EC2_METADATA_DISABLED"] = "true";
  }
};

std::string json_keys(const std::string& id, const std::string& expiration) {
  return "{\"Code\":\"Success\",\"AccessKeyId\":\"" + id + "\",\"SecretAccessKey\":\"secret-" + id +
         "\",\"Token\":\"token-" + id + "\",\"Expiration\":\"" + expiration + "\"}";
}

TEST_CASE("profile files: sections, comments, what is skipped") {
  const auto sections = parse_profile_file(
      "stray = 1\n[default]\naws_access_key_id = AKIA # comment\nAWS_SECRET_ACCESS_KEY=a/b+c=\r\n"
      "# comment\n; comment\ns3 =\n  nested = 1\n\n[ profile   dev ]\nregion=eu-west-1 ;x\n"
      "no equals\n[broken\nlost=1\n[empty]\n");
  REQUIRE(sections.size() == 3);
  CHECK(sections.at("default").at("aws_access_key_id") == "AKIA");
  CHECK(sections.at("default").at("aws_secret_access_key") == "a/b+c=");
  CHECK(sections.at("default").at("s3").empty());
  CHECK(sections.at("default").count("nested") == 0);
  CHECK(sections.at("profile dev").at("region") == "eu-west-1");
  CHECK(sections.at("profile dev").size() == 1);
}

TEST_CASE("credentials: keys in the settings beat everything") {
  World world;
  world.variables["AWS_ACCESS_KEY_ID"] = "ENV";
  world.variables["AWS_SECRET_ACCESS_KEY"] = "env-secret";
  CredentialInputs inputs = world.inputs();
  inputs.configured = {"SETTINGS", "settings-secret", ""};
  CHECK(CredentialChain(inputs).get()->key.access_key_id == "SETTINGS");
  inputs.configured = {};
  CHECK(CredentialChain(inputs).get()->key.access_key_id == "ENV");
}

TEST_CASE("credentials: variables by the policy") {
  World world;
  world.variables["AWS_ACCESS_KEY_ID"] = "AWS";
  world.variables["AWS_SECRET_ACCESS_KEY"] = "aws-secret";
  world.variables["AWS_SESSION_TOKEN"] = "aws-token";
  world.variables["LITESTREAM_ACCESS_KEY_ID"] = "LS";
  world.variables["LITESTREAM_SECRET_ACCESS_KEY"] = "ls-secret";
  world.variables["OSS_ACCESS_KEY_ID"] = "OSS";
  world.variables["OSS_ACCESS_KEY_SECRET"] = "oss-secret";
  const auto id_with = [&](AmbientPolicy policy) {
    const auto found = CredentialChain(world.inputs(policy)).get();
    return found.ok() ? found->key.access_key_id + "/" + found->key.session_token
                      : std::string(status_code_name(found.status().code()));
  };
  CHECK(id_with({true, true, false, true}) == "AWS/aws-token");
  CHECK(id_with({false, true, false, false}) == "LS/");
  CHECK(id_with({false, true, true, false}) == "OSS/");
  CHECK(id_with({}) == status_code_name(StatusCode::kInvalidArgument));
  // Half a pair is none.
  world.variables.erase("AWS_SECRET_ACCESS_KEY");
  CHECK(id_with({true, true, false, true}) == "LS/");
}

TEST_CASE("credentials: absence is explained, or anonymous where that is meant") {
  World world;
  CredentialInputs inputs = world.inputs({});
  const auto none = CredentialChain(inputs).get();
  CHECK(none.status().code() == StatusCode::kInvalidArgument);
  CHECK(none.status().message().find("endpoint.example") != std::string::npos);
  CHECK(none.status().message().find("access-key-id") != std::string::npos);
  inputs.may_be_anonymous = true;
  const auto nobody = CredentialChain(inputs).get();
  REQUIRE(nobody.ok());
  CHECK(nobody->is_anonymous);
}

TEST_CASE("credentials: profiles of ~/.aws") {
  World world;
  write_file(world.dir.file(".aws/credentials"),
             "[default]\naws_access_key_id=D\naws_secret_access_key=d\n"
             "[dev]\naws_access_key_id=V\naws_secret_access_key=v\naws_session_token=t\n");
  write_file(world.dir.file(".aws/config"),
             "[default]\nregion=eu-west-1\n[profile sso]\nsso_start_url=https://x\n"
             "[profile dev]\naws_access_key_id=WRONG\naws_secret_access_key=w\n");
  CHECK(CredentialChain(world.inputs()).get()->key.access_key_id == "D");
  world.variables["AWS_PROFILE"] = "dev";
  const auto dev = CredentialChain(world.inputs()).get();
  REQUIRE(dev.ok());
  CHECK(dev->key.access_key_id == "V");
  CHECK(dev->key.session_token == "t");
  CHECK(dev->source == "the AWS profile dev");
  world.variables["AWS_PROFILE"] = "sso";
  const auto sso = CredentialChain(world.inputs()).get();
  CHECK(sso.status().code() == StatusCode::kUnsupported);
  CHECK(sso.status().message().find("sso_start_url") != std::string::npos);
  world.variables["AWS_PROFILE"] = "absent";
  CHECK(CredentialChain(world.inputs()).get().status().code() == StatusCode::kNotFound);
  world.variables["AWS_SHARED_CREDENTIALS_FILE"] = world.dir.file("other");
  write_file(world.dir.file("other"), "[absent]\naws_access_key_id=O\naws_secret_access_key=o\n");
  CHECK(CredentialChain(world.inputs()).get()->key.access_key_id == "O");
}

TEST_CASE("credentials: rotated keys are read again when a store refuses the old ones") {
  World world;
  const std::string path = world.dir.file(".aws/credentials");
  write_file(path, "[default]\naws_access_key_id=OLD\naws_secret_access_key=o\n");
  CredentialChain chain(world.inputs());
  const auto old = chain.get();
  REQUIRE(old->key.access_key_id == "OLD");
  write_file(path, "[default]\naws_access_key_id=NEW\naws_secret_access_key=n\n");
  CHECK(chain.get()->key.access_key_id == "OLD");
  // Not at once: a store that refuses everything would make us read for every request.
  chain.refuse(*old);
  CHECK(chain.get()->key.access_key_id == "OLD");
  world.time.advance_ms(10'000);
  chain.refuse(*old);
  CHECK(chain.get()->key.access_key_id == "NEW");
  // A late refusal of the old ones does not touch the new ones.
  world.time.advance_ms(60'000);
  write_file(path, "");
  chain.refuse(*old);
  CHECK(chain.get()->key.access_key_id == "NEW");
}

TEST_CASE("credentials: a web identity is exchanged at STS, the token in the body") {
  World world;
  Recorder recorder;
  WireServer sts([&](const WireRequest& request) {
    recorder.add(request);
    return test::text_reply(
        200, "text/xml",
        "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
        "<AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
        "<SessionToken>t</SessionToken><Expiration>2026-01-03T05:00:00Z</Expiration>"
        "</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>");
  });
  write_file(world.dir.file("token"), "the.web/token\n");
  world.variables["AWS_WEB_IDENTITY_TOKEN_FILE"] = world.dir.file("token");
  world.variables["AWS_ROLE_ARN"] = "arn:aws:iam::1:role/r";
  world.variables["AWS_ENDPOINT_URL_STS"] = sts.url();
  const auto found = CredentialChain(world.inputs()).get();
  INFO(found.status().message());
  REQUIRE(found.ok());
  CHECK(found->key.access_key_id == "ASIA");
  CHECK(found->key.session_token == "t");
  CHECK(found->expires_at_ms == 1767416400000);
  const std::vector<WireRequest> seen = recorder.all();
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].method == "POST");
  CHECK(seen[0].target == "/");
  CHECK(seen[0].body ==
        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole"
        "%2Fr&RoleSessionName=litestream&WebIdentityToken=the.web%2Ftoken");
}

TEST_CASE("credentials: a refusal of STS names its code, never the token") {
  World world;
  WireServer sts([&](const WireRequest& request) {
    const std::string token = request.body.substr(request.body.rfind('=') + 1);
    return test::text_reply(400, "text/xml",
                            "<ErrorResponse><Error><Code>InvalidIdentityToken</Code><Message>" +
                                token + "</Message></Error></ErrorResponse>");
  });
  write_file(world.dir.file("token"), "hunter2");
  world.variables["AWS_WEB_IDENTITY_TOKEN_FILE"] = world.dir.file("token");
  world.variables["AWS_ROLE_ARN"] = "arn";
  world.variables["AWS_ENDPOINT_URL_STS"] = sts.url();
  const auto found = CredentialChain(world.inputs()).get();
  CHECK(found.status().code() == StatusCode::kIo);
  CHECK(found.status().message().find("InvalidIdentityToken") != std::string::npos);
  CHECK(found.status().message().find("hunter2") == std::string::npos);
}

TEST_CASE("credentials: a container's agent, with its token") {
  World world;
  Recorder recorder;
  WireServer agent([&](const WireRequest& request) {
    recorder.add(request);
    return test::text_reply(200, "application/json", json_keys("ECS", "2026-01-03T05:00:00Z"));
  });
  world.variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = agent.url() + "/creds";
  write_file(world.dir.file("agent-token"), "from-file\n");
  world.variables["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "from-variable";
  CHECK(CredentialChain(world.inputs()).get()->key.access_key_id == "ECS");
  world.variables["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = world.dir.file("agent-token");
  CHECK(CredentialChain(world.inputs()).get()->source == "the container");
  const std::vector<WireRequest> seen = recorder.all();
  REQUIRE(seen.size() == 2);
  CHECK(seen[0].target == "/creds");
  CHECK(seen[0].header("authorization") == "from-variable");
  CHECK(seen[1].header("authorization") == "from-file");
  // The token goes to no stranger.
  world.variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "http://169.254.1.1/x";
  CHECK(CredentialChain(world.inputs()).get().status().code() == StatusCode::kInvalidArgument);
}

// An EC2 metadata service of version 2.
struct MetadataService {
  std::atomic<int> key_requests{0};
  std::atomic<bool> is_broken{false};
  std::mutex mutex;
  std::string expiration = "2026-01-03T04:25:06Z";  // guarded by mutex
  void set_expiration(std::string text) {
    const std::lock_guard lock(mutex);
    expiration = std::move(text);
  }
  WireServer server{[this](const WireRequest& request) {
    if (request.method == "PUT" && request.target == "/latest/api/token") {
      const bool has_ttl = !request.header("x-aws-ec2-metadata-token-ttl-seconds").empty();
      return test::text_reply(has_ttl ? 200 : 400, "text/plain", "imds-token");
    }
    if (request.header("x-aws-ec2-metadata-token") != "imds-token") {
      return test::text_reply(401, "text/plain", "");
    }
    const std::string roles = "/latest/meta-data/iam/security-credentials/";
    if (request.target == roles) return test::text_reply(200, "text/plain", "my-role");
    if (request.target != roles + "my-role") return test::text_reply(404, "text/plain", "");
    if (is_broken) return test::text_reply(500, "text/plain", "");
    const std::string id = "EC2-" + std::to_string(++key_requests);
    const std::lock_guard lock(mutex);
    return test::text_reply(200, "text/plain", json_keys(id, expiration));
  }};
};

TEST_CASE("credentials: the role of a machine is kept and renewed before it expires") {
  World world;  // it is 2026-01-03T04:05:06.789Z; the keys last 20 minutes
  MetadataService service;
  world.variables.erase("AWS_EC2_METADATA_DISABLED");
  world.variables["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = service.server.url();
  CredentialChain chain(world.inputs());
  REQUIRE(chain.get()->key.access_key_id == "EC2-1");
  for (int i = 0; i < 5; ++i) CHECK(chain.get()->key.access_key_id == "EC2-1");
  world.time.advance_ms(14 * 60'000);
  CHECK(chain.get()->key.access_key_id == "EC2-1");
  // Five minutes before the end, and the service is down: the old ones still serve.
  world.time.advance_ms(2 * 60'000);
  service.is_broken = true;
  CHECK(chain.get()->key.access_key_id == "EC2-1");
  service.is_broken = false;
  world.time.advance_ms(60'000);
  service.set_expiration("2026-01-03T05:25:06Z");
  CHECK(chain.get()->key.access_key_id == "EC2-2");
  CHECK(service.key_requests == 2);
}

TEST_CASE("credentials: expired ones are not used when there are no others") {
  World world;
  MetadataService service;
  world.variables.erase("AWS_EC2_METADATA_DISABLED");
  world.variables["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = service.server.url();
  CredentialChain chain(world.inputs());
  REQUIRE(chain.get().ok());
  service.is_broken = true;
  world.time.advance_ms(60 * 60'000);
  const auto late = chain.get();
  CHECK(late.status().code() == StatusCode::kIo);
  // The failure is remembered for a moment, then it is tried again.
  service.is_broken = false;
  CHECK_FALSE(chain.get().ok());
  world.time.advance_ms(5000);
  service.set_expiration("2026-01-03T08:00:00Z");
  CHECK(chain.get().ok());
}

TEST_CASE("credentials: many threads, one question") {
  World world;
  MetadataService service;
  world.variables.erase("AWS_EC2_METADATA_DISABLED");
  world.variables["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = service.server.url();
  CredentialChain chain(world.inputs());
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] { good += chain.get().ok() ? 1 : 0; });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(good == 8);
  CHECK(service.key_requests == 1);
}

TEST_CASE("credentials: answers that make no sense") {
  for (const char* text :
       {"", "[]", "{}", "{\"AccessKeyId\":\"x\"}", "{\"AccessKeyId\":",
        "{\"AccessKeyId\":\"x\",\"SecretAccessKey\":\"y\",\"Expiration\":\"z\"}", "<html/>"}) {
    CAPTURE(text);
    CHECK(parse_credentials_json(text).status().code() == StatusCode::kCorrupt);
  }
  CHECK(parse_credentials_json("{\"Code\":\"AssumeRoleUnauthorizedAccess\"}").status().code() ==
        StatusCode::kNotFound);
  for (const char* text : {"", "<x/>", "<AssumeRoleWithWebIdentityResponse/>"}) {
    CHECK(parse_credentials_xml(text).status().code() == StatusCode::kCorrupt);
  }
}

}  // namespace
}  // namespace litestream
