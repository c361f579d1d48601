// What stores that speak the S3 API differ in, by the host of their endpoint.
// Source: the providers' documentation and Litestream's compatibility guide.
// Threading: immutable tables, pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace litestream {

struct S3Provider {
  std::string_view name;            // for messages: "Backblaze B2"
  std::string_view default_region;  // when the host does not tell it
  bool is_aws = false;              // may get ambient AWS credentials; may tell a bucket's region
  bool signs_payload = true;        // refuses or distrusts UNSIGNED-PAYLOAD
  bool prefers_path_style = false;  // also when the bucket came as a part of the host
  bool needs_virtual_host = false;  // refuses path style
  bool takes_content_md5 = true;
  bool has_bulk_delete = true;
  bool wants_consistent_header = false;  // X-Tigris-Consistent, for reads after writes
  int concurrency = 5;                   // parts uploaded at once
  // The least time between two writes of one name, below which the order may be lost.
  int64_t same_key_gap_ms = 0;
};

// By the host of an endpoint, lower case, without port. Unknown hosts get what works with most:
// path style and signed payloads.
const S3Provider& s3_provider_of_host(std::string_view host);

// A host as a URL names it, "bucket.s3.eu-west-1.amazonaws.com", taken apart.
struct S3HostForm {
  std::string bucket;         // empty: the host is an endpoint alone
  std::string endpoint_host;  // "s3.eu-west-1.amazonaws.com"
  std::string region;         // empty if the host does not tell it
};
// Nothing if `host` is no host of a known provider, so probably the name of a bucket.
std::optional<S3HostForm> split_s3_host(std::string_view host);

// The region that an endpoint's host tells; empty if it does not.
std::string region_of_s3_host(std::string_view host);

}  // namespace litestream
