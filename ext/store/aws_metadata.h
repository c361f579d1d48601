// Credentials that a service hands out for a while: STS for a web identity token, the agent of a
// container, the metadata service of an EC2 machine (version 2 only).
// Source: AWS documentation of AssumeRoleWithWebIdentity, container credentials and IMDSv2.
// Threading: free functions; each blocks on the network with limits of its own.
#pragma once

#include <string>

#include "ext/base/file_system.h"
#include "ext/base/status.h"
#include "ext/store/http_client.h"
#include "ext/store/retry.h"
#include "ext/store/s3_signing.h"
#include "ext/store/store_spec.h"

namespace litestream {

struct AwsCredentials {
  SigningKey key;
  int64_t expires_at_ms = 0;  // wall time; 0: never
  std::string source;         // for messages: "the environment"
  bool is_anonymous = false;  // requests are not signed
};

struct MetadataWorld {
  HttpClient* http = nullptr;
  FileSystem* fs = nullptr;
  StoreEnvironment environment;
  RetryWorld retry;
};

struct WebIdentity {
  std::string token_file;
  std::string role_arn;
  std::string session_name;  // empty: one of ours
  std::string region;        // of the STS endpoint; empty: the global one
};
// STS at AWS_ENDPOINT_URL_STS, else Amazon's.
Result<AwsCredentials> assume_role_with_web_identity(const MetadataWorld& world,
                                                     const WebIdentity& identity);

// AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or AWS_CONTAINER_CREDENTIALS_FULL_URI with their token;
// NotFound if neither is set. InvalidArgument for a full URI that is neither https nor on this
// machine.
Result<AwsCredentials> container_credentials(const MetadataWorld& world);

// The role of this machine. NotFound if there is no such service or it has no role.
Result<AwsCredentials> machine_credentials(const MetadataWorld& world);

// What container agents and IMDS answer with. Corrupt unless it is a JSON object with
// AccessKeyId, SecretAccessKey, Token and Expiration.
Result<AwsCredentials> parse_credentials_json(std::string_view text);
// What STS answers with.
Result<AwsCredentials> parse_credentials_xml(std::string_view text);

}  // namespace litestream
