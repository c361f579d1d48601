// An S3 replica as it was asked for: s3://bucket/prefix?parameters with settings beside it, put
// together with what is known of the provider.
//
// URL forms: s3://bucket/prefix; s3://bucket.s3.eu-west-1.amazonaws.com/prefix and the like for
// known providers (s3_provider.h); s3://bucket.host:port/prefix (MinIO); oss://bucket/prefix with
// Alibaba's S3 endpoints. Keys never come from a URL.
// Threading: values, pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ext/base/status.h"
#include "ext/store/s3_provider.h"
#include "ext/store/store_spec.h"

namespace litestream {

inline constexpr int64_t kS3PartBytesMin = 5 << 20;  // the API's own minimum
inline constexpr int64_t kS3PartBytesMax = 1 << 30;
inline constexpr int kS3ConcurrencyMax = 64;
inline constexpr int kS3PartCountMax = 10'000;
inline constexpr size_t kS3KeysPerCall = 1000;

struct S3Endpoint {
  bool is_https = true;
  std::string host;       // lower case; IPv6 in brackets
  std::string authority;  // host, with the port unless it is the scheme's own
  std::string path;       // "" or "/storage/v1/s3", percent-encoded
  std::string url() const { return (is_https ? "https://" : "http://") + authority + path; }
};

// "https://host:port/path", or without a scheme: http for this machine and private networks, else
// https. InvalidArgument for user names, queries and what is no URL.
Result<S3Endpoint> parse_s3_endpoint(std::string_view text);

// Who said where the store is: credentials of one source may not go to an endpoint of another.
enum class EndpointSource {
  kProvider,     // nobody: Amazon's or Alibaba's own for the region
  kHostForm,     // a known provider's host in the URL
  kUrl,          // the URL's `endpoint`, or host:port in it
  kSettings,     // `endpoint` beside the URL
  kEnvironment,  // LITESTREAM_S3_ENDPOINT, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL
};

struct S3Options {
  std::string type;  // "s3" or "oss"
  std::string bucket;
  std::string prefix;  // "" or "a/b"
  S3Endpoint endpoint;
  EndpointSource endpoint_source = EndpointSource::kProvider;
  const S3Provider* provider = nullptr;  // never null after resolve_s3_options
  std::string region;
  bool region_is_guess = false;  // nobody named it: Amazon may tell another
  bool path_style = false;
  bool skip_verify = false;
  bool signs_payload = true;
  bool sends_content_md5 = true;          // with bulk deletes, and with bodies that are not signed
  bool sends_content_md5_always = false;  // asked for: with signed bodies too
  int64_t part_bytes = kS3PartBytesMin;
  int concurrency = 5;
  std::string storage_class;
  std::string sse_algorithm;  // SSE-C: "AES256"
  std::string sse_key;        // base64 of 32 bytes
  std::string sse_key_path;   // or the file that holds it
  std::string sse_key_md5;    // base64; empty: computed
  std::string sse_kms_key_id;
  std::string access_key_id;  // of the settings, else empty
  std::string secret_access_key;
  bool ambient_credentials = true;
  std::string url;  // canonical, without secrets

  // The endpoint that a URL, a setting or the environment asked for; else Amazon's in `region`.
  S3Endpoint endpoint_in(const std::string& in_region) const;
};

// The parameters of s3 and oss replicas.
const std::vector<StoreParameter>& s3_parameters();

// InvalidArgument says which part of the URL or which setting makes no sense, never its value where
// it may be a secret. `environment` is asked only if the spec allows ambient credentials.
Result<S3Options> resolve_s3_options(const StoreSpec& spec, const StoreEnvironment& environment);

// The one spelling of an s3 or oss URL, without or with the secrets it may hold.
Result<std::string> normalize_s3_url(const Url& url, UrlSecrets secrets);

}  // namespace litestream
