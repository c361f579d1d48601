#include "ext/store/credentials.h"

#include <algorithm>
#include <array>
#include <chrono>

#include "ext/store/aws_profile.h"
#include "ext/store/call_limits.h"

namespace litestream {
namespace {

// Renewed this long before they expire, or at half of a shorter life.
constexpr int64_t kRenewBeforeMs = 5 * 60'000;
// After a renewal that failed while the old ones are still good.
constexpr int64_t kRenewAgainMs = 30'000;
// Keys that a store refuses are looked up again at most this often.
constexpr int64_t kRefuseEveryMs = 10'000;
// A failure is remembered, so that not every request asks a service that does not answer.
constexpr int64_t kErrorKeptMs = 5000;

std::optional<AwsCredentials> read_variables(const StoreEnvironment& environment, const char* id,
                                             const char* secret, const char* token) {
  const auto id_value = environment(id);
  const auto secret_value = environment(secret);
  if (!id_value.has_value() || !secret_value.has_value()) return std::nullopt;
  AwsCredentials credentials;
  credentials.key = {*id_value, *secret_value,
                     token == nullptr ? "" : environment(token).value_or("")};
  credentials.source = std::string("the environment (") + id + ")";
  return credentials;
}

bool is_same_endpoint(const S3Endpoint& a, const S3Endpoint& b) {
  return a.is_https == b.is_https && a.authority == b.authority;
}

std::string value_of(const ProfileValues& values, std::string_view key) {
  const auto found = values.find(key);
  return found == values.end() ? "" : found->second;
}

// Ways to get keys that need a browser, a program or another account.
Status check_profile(const AwsProfile& profile) {
  constexpr std::array<std::string_view, 5> kOthers = {
      "sso_session", "sso_start_url", "credential_process", "source_profile", "credential_source"};
  for (const std::string_view key : kOthers) {
    if (profile.values.find(key) == profile.values.end()) continue;
    return unsupported("the AWS profile '" + profile.name.substr(0, 64) + "' uses " +
                       std::string(key) +
                       ", which is not supported; use keys, a web identity or a machine role");
  }
  return {};
}

}  // namespace

AmbientPolicy ambient_policy(const S3Options& options, const StoreEnvironment& environment) {
  AmbientPolicy policy;
  if (!options.ambient_credentials) return policy;
  // Without its certificate nobody knows whether it is Amazon that answers.
  const bool is_amazon =
      options.provider->is_aws && options.endpoint.is_https && !options.skip_verify;
  if (is_amazon) return {true, true, false, true};
  const bool is_oss = options.type == "oss" && options.endpoint.is_https &&
                      options.endpoint.host.ends_with(".aliyuncs.com");
  policy.oss_variables = is_oss;
  const bool is_operators = options.endpoint_source == EndpointSource::kHostForm ||
                            options.endpoint_source == EndpointSource::kProvider ||
                            options.endpoint_source == EndpointSource::kSettings;
  policy.litestream_variables = is_operators;
  for (const char* name : {"LITESTREAM_S3_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"}) {
    const auto text = environment(name);
    if (!text.has_value()) continue;
    const auto endpoint = parse_s3_endpoint(*text);
    if (!endpoint.ok() || !is_same_endpoint(*endpoint, options.endpoint)) continue;
    policy.aws_variables = true;
    policy.litestream_variables = true;
  }
  return policy;
}

CredentialChain::CredentialChain(CredentialInputs inputs) : inputs_(std::move(inputs)) {}

CredentialChain::Found CredentialChain::from_variables() const {
  const StoreEnvironment& environment = inputs_.world.environment;
  std::optional<AwsCredentials> found;
  if (inputs_.policy.oss_variables) {
    found = read_variables(environment, "OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET",
                           "OSS_SESSION_TOKEN");
  }
  if (!found.has_value() && inputs_.policy.aws_variables) {
    found = read_variables(environment, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
                           "AWS_SESSION_TOKEN");
  }
  if (!found.has_value() && inputs_.policy.litestream_variables) {
    found = read_variables(environment, "LITESTREAM_ACCESS_KEY_ID", "LITESTREAM_SECRET_ACCESS_KEY",
                           nullptr);
  }
  return found;
}

CredentialChain::Found CredentialChain::from_web_identity() const {
  const StoreEnvironment& environment = inputs_.world.environment;
  const auto file = environment("AWS_WEB_IDENTITY_TOKEN_FILE");
  const auto role = environment("AWS_ROLE_ARN");
  if (!file.has_value() || !role.has_value()) return std::optional<AwsCredentials>();
  const std::string session = environment("AWS_ROLE_SESSION_NAME").value_or("");
  LS_ASSIGN_OR_RETURN(
      AwsCredentials credentials,
      assume_role_with_web_identity(inputs_.world, {*file, *role, session, inputs_.region}));
  return std::optional(std::move(credentials));
}

CredentialChain::Found CredentialChain::from_profile() const {
  LS_ASSIGN_OR_RETURN(const auto profile,
                      read_aws_profile(*inputs_.world.fs, inputs_.world.environment));
  if (!profile.has_value()) return std::optional<AwsCredentials>();
  const ProfileValues& values = profile->values;
  AwsCredentials credentials;
  credentials.key = {value_of(values, "aws_access_key_id"),
                     value_of(values, "aws_secret_access_key"),
                     value_of(values, "aws_session_token")};
  credentials.source = "the AWS profile " + profile->name;
  if (!credentials.key.access_key_id.empty() && !credentials.key.secret_access_key.empty()) {
    return std::optional(std::move(credentials));
  }
  const std::string file = value_of(values, "web_identity_token_file");
  const std::string role = value_of(values, "role_arn");
  if (!file.empty() && !role.empty()) {
    LS_ASSIGN_OR_RETURN(
        credentials,
        assume_role_with_web_identity(
            inputs_.world, {file, role, value_of(values, "role_session_name"), inputs_.region}));
    return std::optional(std::move(credentials));
  }
  LS_RETURN_IF_ERROR(check_profile(*profile));
  return std::optional<AwsCredentials>();
}

CredentialChain::Found CredentialChain::from_container() const {
  auto found = container_credentials(inputs_.world);
  if (found.ok()) return std::optional(*std::move(found));
  if (found.status().code() == StatusCode::kNotFound) return std::optional<AwsCredentials>();
  return found.status();
}

CredentialChain::Found CredentialChain::from_machine() const {
  auto found = machine_credentials(inputs_.world);
  if (found.ok()) return std::optional(*std::move(found));
  if (found.status().code() == StatusCode::kNotFound) return std::optional<AwsCredentials>();
  return found.status();
}

Status CredentialChain::explain_absence() const {
  if (inputs_.policy.profiles_and_metadata) {
    return invalid_argument(
        "no AWS credentials: set access-key-id and secret-access-key beside the replica, or "
        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile in ~/.aws/credentials");
  }
  return invalid_argument(
      "no credentials for " + inputs_.endpoint +
      ": set access-key-id and secret-access-key beside the replica (litestream.yml or options), "
      "or LITESTREAM_S3_ENDPOINT with LITESTREAM_ACCESS_KEY_ID and LITESTREAM_SECRET_ACCESS_KEY "
      "(AWS variables and profiles are not sent to an endpoint that they do not name)");
}

Result<AwsCredentials> CredentialChain::find() {
  if (!inputs_.configured.access_key_id.empty()) {
    AwsCredentials credentials;
    credentials.key = inputs_.configured;
    credentials.source = "the settings";
    return credentials;
  }
  LS_ASSIGN_OR_RETURN(auto found, from_variables());
  if (found.has_value()) return *std::move(found);
  if (inputs_.policy.profiles_and_metadata) {
    for (const auto source : {&CredentialChain::from_web_identity, &CredentialChain::from_profile,
                              &CredentialChain::from_container, &CredentialChain::from_machine}) {
      LS_ASSIGN_OR_RETURN(found, (this->*source)());
      if (found.has_value()) return *std::move(found);
    }
  }
  if (!inputs_.may_be_anonymous) return explain_absence();
  AwsCredentials anonymous;
  anonymous.is_anonymous = true;
  anonymous.source = "nobody";
  return anonymous;
}

bool CredentialChain::is_usable(int64_t now_ms) const {
  return current_.has_value() && (current_->expires_at_ms == 0 || current_->expires_at_ms > now_ms);
}

bool CredentialChain::is_fresh(int64_t now_ms) const {
  return is_usable(now_ms) && (current_->expires_at_ms == 0 || now_ms < renew_at_ms_);
}

void CredentialChain::keep(const Result<AwsCredentials>& found) {
  const Clock& clock = *inputs_.world.retry.clock;
  const int64_t now_ms = clock.wall_ms();
  if (!found.ok()) {
    // What one caller's own limits ended says nothing to the others.
    if (!CallLimits::check().ok()) return;
    last_error_ = found.status();
    error_until_ms_ = clock.monotonic_ms() + kErrorKeptMs;
    renew_at_ms_ = now_ms + kRenewAgainMs;
    return;
  }
  current_ = *found;
  last_error_ = Status();
  fetched_ms_ = clock.monotonic_ms();
  const int64_t life_ms = std::max<int64_t>(0, current_->expires_at_ms - now_ms);
  renew_at_ms_ = current_->expires_at_ms - std::min(kRenewBeforeMs, life_ms / 2);
}

Result<AwsCredentials> CredentialChain::get() {
  const Clock& clock = *inputs_.world.retry.clock;
  std::unique_lock lock(mutex_);
  while (true) {
    const int64_t now_ms = clock.wall_ms();
    if (is_fresh(now_ms) || (is_asking_ && is_usable(now_ms))) return *current_;
    if (!is_asking_) break;
    lock.unlock();
    LS_RETURN_IF_ERROR(CallLimits::check());
    lock.lock();
    changed_.wait_for(lock, std::chrono::milliseconds(50), [this] { return !is_asking_; });
  }
  const bool is_error_kept = !last_error_.ok() && clock.monotonic_ms() < error_until_ms_;
  if (is_error_kept && !is_usable(clock.wall_ms())) return last_error_;
  is_asking_ = true;
  lock.unlock();
  auto found = find();
  lock.lock();
  is_asking_ = false;
  keep(found);
  changed_.notify_all();
  if (!found.ok() && is_usable(clock.wall_ms())) return *current_;
  return found;
}

void CredentialChain::refuse(const AwsCredentials& used) {
  const std::lock_guard lock(mutex_);
  if (!current_.has_value() || current_->key.access_key_id != used.key.access_key_id ||
      current_->key.session_token != used.key.session_token) {
    return;  // others have been found meanwhile
  }
  const int64_t age_ms = inputs_.world.retry.clock->monotonic_ms() - fetched_ms_;
  if (age_ms >= kRefuseEveryMs) current_.reset();
}

}  // namespace litestream
