#include "ext/store/aws_metadata.h"

#include <algorithm>

#include "ext/base/clock.h"
#include "ext/base/json.h"
#include "ext/base/url.h"
#include "ext/ltx/sequential_reader.h"
#include "ext/store/call_limits.h"
#include "ext/store/s3_xml.h"
#include "ext/store/xml.h"

namespace litestream {
namespace {

constexpr size_t kTokenBytesMax = 64 << 10;
constexpr RetryPolicy kPolicy = {.attempts_max = 3, .first_delay_ms = 100, .total_ms = 10'000};
constexpr std::string_view kContainerHost = "169.254.170.2";

HttpLimits limits_of(int64_t connect_ms, int64_t total_ms) {
  HttpLimits limits;
  limits.connect_ms = connect_ms;
  limits.first_byte_ms = total_ms;
  limits.stall_ms = total_ms;
  limits.total_ms = total_ms;
  limits.body_bytes_max = kTokenBytesMax;
  return limits;
}

// Sends until there is an answer that is not a passing fault.
Result<HttpResponse> send(const MetadataWorld& world, const HttpRequest& request) {
  RetryLoop loop(kPolicy, world.retry, [] { return !CallLimits::check().ok(); });
  while (true) {
    auto response = world.http->perform(request);
    const Failure failure =
        response.ok() ? classify_http(response->status, "") : classify_status(response.status());
    if (failure == Failure::kFinal || !loop.wait_before_retry(failure, std::nullopt)) {
      return response;
    }
  }
}

Status refused(const std::string& who, const HttpResponse& response) {
  const auto error = parse_s3_error(response.body);
  return io_error(who + " answered with HTTP " + std::to_string(response.status) +
                  (error.has_value() ? " (" + error->code + ")" : ""));
}

Result<AwsCredentials> finish(AwsCredentials credentials, std::string_view expiration) {
  if (credentials.key.access_key_id.empty() || credentials.key.secret_access_key.empty()) {
    return corrupt("no keys in the answer");
  }
  if (expiration.empty()) return credentials;
  const auto expires = parse_rfc3339_ms(expiration);
  if (!expires.ok()) return corrupt("an expiration that is no time");
  credentials.expires_at_ms = *expires;
  return credentials;
}

std::string trimmed(std::string text) {
  while (!text.empty() && std::string_view(" \r\n\t").find(text.back()) != std::string_view::npos) {
    text.pop_back();
  }
  return text;
}

std::string sts_url(const MetadataWorld& world, const std::string& region) {
  if (const auto url = world.environment("AWS_ENDPOINT_URL_STS")) return *url;
  if (region.empty()) return "https://sts.amazonaws.com";
  return "https://sts." + region + ".amazonaws.com" + (region.starts_with("cn-") ? ".cn" : "");
}

// A token may go to this machine, to AWS's link-local addresses, and anywhere by https.
bool may_get_token(const Url& url) {
  if (url.scheme == "https") return true;
  const auto where = parse_host_and_port(url.authority);
  if (!where.ok() || url.scheme != "http") return false;
  const std::string& host = where->host;
  return host == "localhost" || host.starts_with("127.") || host == "::1" ||
         host == kContainerHost || host == "169.254.170.23" || host == "fd00:ec2::23";
}

Result<std::string> container_token(const MetadataWorld& world) {
  if (const auto path = world.environment("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")) {
    LS_ASSIGN_OR_RETURN(std::string token, read_small_file(*world.fs, *path, kTokenBytesMax));
    return trimmed(std::move(token));
  }
  return world.environment("AWS_CONTAINER_AUTHORIZATION_TOKEN").value_or("");
}

}  // namespace

Result<AwsCredentials> parse_credentials_json(std::string_view text) {
  auto root = parse_json(text);
  if (!root.ok() || root->kind != DocumentNode::Kind::kMap) return corrupt("no JSON object");
  const auto text_of = [&](std::string_view key) {
    const DocumentNode* value = find_value(*root, key);
    return value == nullptr ? std::string() : value->scalar;
  };
  const std::string code = text_of("Code");
  if (!code.empty() && code != "Success") return not_found("no credentials: " + code.substr(0, 64));
  AwsCredentials credentials;
  credentials.key = {text_of("AccessKeyId"), text_of("SecretAccessKey"), text_of("Token")};
  return finish(std::move(credentials), text_of("Expiration"));
}

Result<AwsCredentials> parse_credentials_xml(std::string_view text) {
  LS_ASSIGN_OR_RETURN(const XmlElement root, parse_xml(text));
  const XmlElement* result = root.child("AssumeRoleWithWebIdentityResult");
  const XmlElement* element = result == nullptr ? nullptr : result->child("Credentials");
  if (element == nullptr) return corrupt("no credentials in the answer");
  AwsCredentials credentials;
  credentials.key = {std::string(element->child_text("AccessKeyId")),
                     std::string(element->child_text("SecretAccessKey")),
                     std::string(element->child_text("SessionToken"))};
  return finish(std::move(credentials), element->child_text("Expiration"));
}

Result<AwsCredentials> assume_role_with_web_identity(const MetadataWorld& world,
                                                     const WebIdentity& identity) {
  auto token = read_small_file(*world.fs, identity.token_file, kTokenBytesMax);
  if (!token.ok()) return token.status().with_context("web identity token");
  const auto encode = [](std::string_view value) {
    return percent_encode(value, Slashes::kEncoded);
  };
  // In the body: a URL may end up in a proxy's log.
  const std::string form =
      "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=" + encode(identity.role_arn) +
      "&RoleSessionName=" +
      encode(identity.session_name.empty() ? "litestream" : identity.session_name) +
      "&WebIdentityToken=" + encode(trimmed(std::move(*token)));
  BytesReader body(as_bytes(form));
  HttpRequest request;
  request.method = "POST";
  request.url = sts_url(world, identity.region) + "/";
  request.headers = {{"Content-Type", "application/x-www-form-urlencoded"}};
  request.body = &body;
  request.body_bytes = form.size();
  request.limits = limits_of(5000, 10'000);
  LS_ASSIGN_OR_RETURN(const HttpResponse response, send(world, request));
  if (!response.ok()) return refused("STS", response);
  auto credentials = parse_credentials_xml(response.body);
  if (!credentials.ok()) return credentials.status().with_context("STS");
  credentials->source = "the web identity of " + identity.role_arn;
  return credentials;
}

Result<AwsCredentials> container_credentials(const MetadataWorld& world) {
  HttpRequest request;
  const auto relative = world.environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  const auto full = world.environment("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  if (relative.has_value()) {
    if (!relative->starts_with('/')) {
      return invalid_argument("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI begins with a slash");
    }
    request.url = "http://" + std::string(kContainerHost) + *relative;
  } else if (full.has_value()) {
    const auto url = parse_url(*full);
    if (!url.ok() || !may_get_token(*url)) {
      return invalid_argument(
          "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor on this machine");
    }
    request.url = *full;
  } else {
    return not_found("no container agent");
  }
  LS_ASSIGN_OR_RETURN(const std::string token, container_token(world));
  if (!token.empty()) request.headers = {{"Authorization", token}};
  request.bypass_proxy = true;
  request.limits = limits_of(2000, 5000);
  LS_ASSIGN_OR_RETURN(const HttpResponse response, send(world, request));
  if (!response.ok()) return refused("the container's credential agent", response);
  auto credentials = parse_credentials_json(response.body);
  if (!credentials.ok()) return credentials.status().with_context("the container's agent");
  credentials->source = "the container";
  return credentials;
}

Result<AwsCredentials> machine_credentials(const MetadataWorld& world) {
  const Status none = not_found("no EC2 metadata service");
  if (world.environment("AWS_EC2_METADATA_DISABLED").value_or("") == "true") return none;
  const std::string base =
      world.environment("AWS_EC2_METADATA_SERVICE_ENDPOINT").value_or("http://169.254.169.254");
  const std::string roles = base + "/latest/meta-data/iam/security-credentials/";
  HttpRequest request;
  request.method = "PUT";
  request.url = base + "/latest/api/token";
  request.headers = {{"X-aws-ec2-metadata-token-ttl-seconds", "300"}};
  request.sends_empty_body = true;
  request.bypass_proxy = true;
  request.limits = limits_of(1000, 2000);
  // Outside EC2 nobody is there: one short attempt, and no more.
  const auto token = world.http->perform(request);
  if (!token.ok() && token.status().code() == StatusCode::kUnavailable) return none;
  if (!token.ok()) return token.status();
  if (!token->ok()) return none;

  request.method = "GET";
  request.url = roles;
  request.headers = {{"X-aws-ec2-metadata-token", token->body}};
  request.sends_empty_body = false;
  LS_ASSIGN_OR_RETURN(const HttpResponse role, send(world, request));
  if (role.status == 404) return not_found("this machine has no role");
  if (!role.ok()) return refused("the EC2 metadata service", role);
  const std::string name = trimmed(role.body.substr(0, role.body.find('\n')));
  if (name.empty()) return not_found("this machine has no role");
  request.url = roles + percent_encode(name, Slashes::kEncoded);
  LS_ASSIGN_OR_RETURN(const HttpResponse response, send(world, request));
  if (!response.ok()) return refused("the EC2 metadata service", response);
  auto credentials = parse_credentials_json(response.body);
  if (!credentials.ok()) return credentials.status().with_context("EC2 metadata");
  credentials->source = "the role of this machine";
  return credentials;
}

}  // namespace litestream
