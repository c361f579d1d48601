// Whose keys sign requests: found, kept, renewed before they expire.
//
// In this order: keys in the settings; AWS_ACCESS_KEY_ID or LITESTREAM_ACCESS_KEY_ID (oss:
// OSS_ACCESS_KEY_ID) with their companions; AWS_WEB_IDENTITY_TOKEN_FILE with AWS_ROLE_ARN; the
// profile of ~/.aws; a container's agent; the role of an EC2 machine. A URL never holds keys.
//
// Where they may go: keys in the settings to the endpoint beside them. What lies about in a process
// (variables, profiles, metadata) only to Amazon's hosts by https, or, variables, to the endpoint
// that the environment itself names: a URL chosen by somebody else must not collect signatures and
// session tokens. LITESTREAM_ACCESS_KEY_ID, which is meant for replicas alone, also goes to known
// providers and to endpoints in the settings.
// Threading: thread-safe. No lock is held while a service is asked; one thread asks, the others use
// what is still valid or wait.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "ext/base/clock.h"
#include "ext/store/aws_metadata.h"
#include "ext/store/s3_options.h"

namespace litestream {

// What of the process's surroundings may sign for an endpoint.
struct AmbientPolicy {
  bool aws_variables = false;
  bool litestream_variables = false;
  bool oss_variables = false;
  bool profiles_and_metadata = false;
  bool operator==(const AmbientPolicy&) const = default;
};
AmbientPolicy ambient_policy(const S3Options& options, const StoreEnvironment& environment);

class CredentialProvider {
 public:
  virtual ~CredentialProvider() = default;
  // Blocks while keys have to be fetched. InvalidArgument: there are none, and where they could
  // be; else errors of the service that was asked.
  virtual Result<AwsCredentials> get() = 0;
  // The store refused `used`: get() looks for others, unless it did so a moment ago.
  virtual void refuse(const AwsCredentials& used) = 0;
};

struct CredentialInputs {
  SigningKey configured;  // of the settings; empty: none
  AmbientPolicy policy;
  bool may_be_anonymous = false;  // instead of failing when there are none
  std::string region;             // for STS
  std::string endpoint;           // for messages
  MetadataWorld world;            // its pointers must outlive the chain
};

class CredentialChain final : public CredentialProvider {
 public:
  explicit CredentialChain(CredentialInputs inputs);
  Result<AwsCredentials> get() override;
  void refuse(const AwsCredentials& used) override;

 private:
  using Found = Result<std::optional<AwsCredentials>>;
  Result<AwsCredentials> find();
  Found from_variables() const;
  Found from_web_identity() const;
  Found from_profile() const;
  Found from_container() const;
  Found from_machine() const;
  bool is_fresh(int64_t now_ms) const;   // under mutex_
  bool is_usable(int64_t now_ms) const;  // under mutex_
  Status explain_absence() const;
  void keep(const Result<AwsCredentials>& found);

  const CredentialInputs inputs_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_asking_ = false;                 // a thread is in find()
  std::optional<AwsCredentials> current_;  // these four under mutex_
  int64_t fetched_ms_ = 0;                 // monotonic, of current_
  int64_t renew_at_ms_ = 0;                // wall
  Status last_error_;                      // of the last find(), while error_until_ms_ is ahead
  int64_t error_until_ms_ = 0;             // monotonic
};

}  // namespace litestream
