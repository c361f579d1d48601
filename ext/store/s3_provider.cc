#include "ext/store/s3_provider.h"

#include <array>

namespace litestream {
namespace {

constexpr S3Provider kAws = {
    .name = "Amazon S3", .default_region = "us-east-1", .is_aws = true, .signs_payload = false};
constexpr S3Provider kR2 = {.name = "Cloudflare R2", .default_region = "auto", .concurrency = 2};
constexpr S3Provider kBackblaze = {.name = "Backblaze B2",
                                   .default_region = "us-west-002",
                                   .prefers_path_style = true,
                                   .same_key_gap_ms = 1100};
constexpr S3Provider kTigris = {.name = "Tigris",
                                .default_region = "auto",
                                .takes_content_md5 = false,
                                .wants_consistent_header = true};
constexpr S3Provider kDigitalOcean = {.name = "DigitalOcean Spaces", .default_region = "us-east-1"};
constexpr S3Provider kHetzner = {.name = "Hetzner", .default_region = "fsn1"};
constexpr S3Provider kScaleway = {.name = "Scaleway", .default_region = "fr-par"};
constexpr S3Provider kSupabase = {
    .name = "Supabase", .default_region = "us-east-1", .prefers_path_style = true};
constexpr S3Provider kWasabi = {
    .name = "Wasabi", .default_region = "us-east-1", .signs_payload = false};
constexpr S3Provider kFilebase = {
    .name = "Filebase", .default_region = "us-east-1", .prefers_path_style = true};
constexpr S3Provider kLinode = {.name = "Linode", .default_region = "us-east-1"};
constexpr S3Provider kOracle = {
    .name = "Oracle Cloud", .default_region = "us-ashburn-1", .prefers_path_style = true};
// Deletes one object per request; conditional requests only by headers of its own.
constexpr S3Provider kGoogle = {.name = "Google Cloud Storage",
                                .default_region = "auto",
                                .signs_payload = false,
                                .has_bulk_delete = false};
constexpr S3Provider kAlibaba = {
    .name = "Alibaba OSS", .default_region = "cn-hangzhou", .needs_virtual_host = true};
// MinIO, Garage, Ceph, ...
constexpr S3Provider kOther = {
    .name = "the S3-compatible store", .default_region = "us-east-1", .prefers_path_style = true};

// '#' is the region, '*' something else; both are one or more of [a-z0-9-].
struct HostPattern {
  std::string_view pattern;
  const S3Provider* provider;
};
constexpr std::array<HostPattern, 33> kPatterns = {{
    {"s3.dualstack.#.amazonaws.com", &kAws},
    {"s3.#.amazonaws.com", &kAws},
    {"s3-fips.#.amazonaws.com", &kAws},
    {"s3.amazonaws.com", &kAws},
    {"s3-accelerate.amazonaws.com", &kAws},
    {"s3-#.amazonaws.com", &kAws},
    {"s3.#.amazonaws.com.cn", &kAws},
    {"*.s3.#.vpce.amazonaws.com", &kAws},
    {"*.eu.r2.cloudflarestorage.com", &kR2},
    {"*.fedramp.r2.cloudflarestorage.com", &kR2},
    {"*.r2.cloudflarestorage.com", &kR2},
    {"s3.#.backblazeb2.com", &kBackblaze},
    {"fly.storage.tigris.dev", &kTigris},
    {"t3.storage.dev", &kTigris},
    {"#.digitaloceanspaces.com", &kDigitalOcean},
    {"#.your-objectstorage.com", &kHetzner},
    {"s3.#.scw.cloud", &kScaleway},
    {"*.storage.supabase.co", &kSupabase},
    {"*.supabase.co", &kSupabase},
    {"s3.#.wasabisys.com", &kWasabi},
    {"s3.wasabisys.com", &kWasabi},
    {"s3.filebase.com", &kFilebase},
    {"#.linodeobjects.com", &kLinode},
    {"*.compat.objectstorage.#.oraclecloud.com", &kOracle},
    {"*.compat.objectstorage.#.oci.customer-oci.com", &kOracle},
    {"storage.googleapis.com", &kGoogle},
    {"storage.#.rep.googleapis.com", &kGoogle},
    {"s3.oss-#-internal.aliyuncs.com", &kAlibaba},
    {"s3.oss-#.aliyuncs.com", &kAlibaba},
    {"oss-#-internal.aliyuncs.com", &kAlibaba},
    {"oss-#.aliyuncs.com", &kAlibaba},
    {"localhost", &kOther},
    {"s3.localhost", &kOther},
}};

bool is_label_char(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; }

// Matches from the front; `region` takes what '#' stands for. Wildcards are tried longest first.
bool matches(std::string_view host, std::string_view pattern, std::string* region) {
  if (pattern.empty()) return host.empty();
  const char first = pattern.front();
  if (first != '#' && first != '*') {
    return !host.empty() && host.front() == first &&
           matches(host.substr(1), pattern.substr(1), region);
  }
  size_t length = 0;
  while (length < host.size() && is_label_char(host[length])) ++length;
  for (; length > 0; --length) {
    if (!matches(host.substr(length), pattern.substr(1), region)) continue;
    if (first == '#') *region = host.substr(0, length);
    return true;
  }
  return false;
}

const HostPattern* find_pattern(std::string_view host, std::string* region) {
  for (const HostPattern& candidate : kPatterns) {
    region->clear();
    if (matches(host, candidate.pattern, region)) return &candidate;
  }
  region->clear();
  return nullptr;
}

}  // namespace

const S3Provider& s3_provider_of_host(std::string_view host) {
  std::string region;
  if (const HostPattern* found = find_pattern(host, &region)) return *found->provider;
  // Other names below amazonaws.com may belong to anybody (load balancers, API gateways).
  return kOther;
}

std::optional<S3HostForm> split_s3_host(std::string_view host) {
  S3HostForm form;
  // Every split at a dot, the longest endpoint first: a bucket's name may hold dots.
  for (size_t at = 0; at < host.size();) {
    if (find_pattern(host.substr(at), &form.region) != nullptr) {
      form.endpoint_host = host.substr(at);
      form.bucket = at == 0 ? "" : host.substr(0, at - 1);
      return form;
    }
    const size_t dot = host.find('.', at);
    if (dot == std::string_view::npos) break;
    at = dot + 1;
  }
  return std::nullopt;
}

std::string region_of_s3_host(std::string_view host) {
  std::string region;
  (void)find_pattern(host, &region);
  return region;
}

}  // namespace litestream
