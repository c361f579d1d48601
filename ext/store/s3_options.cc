#include "ext/store/s3_options.h"

#include <algorithm>

#include "ext/store/digest.h"

namespace litestream {
namespace {

bool is_bucket_name(std::string_view name) {
  if (name.size() < 3 || name.size() > 255 || name.find("..") != std::string_view::npos) {
    return false;
  }
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
  });
}

// Regions, storage classes: what may stand in a signature scope or a header as it is.
bool is_plain_word(std::string_view word) {
  return !word.empty() && word.size() <= 64 && std::all_of(word.begin(), word.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
}

bool is_local_host(std::string_view host) {
  for (const char* prefix : {"127.", "10.", "192.168."}) {
    if (host.starts_with(prefix)) return true;
  }
  for (int second = 16; second <= 31; ++second) {
    if (host.starts_with("172." + std::to_string(second) + ".")) return true;
  }
  return host == "localhost" || host == "[::1]" || host.ends_with(".local") ||
         host.ends_with(".localhost");
}

bool is_loopback(std::string_view host) {
  return host == "localhost" || host == "[::1]" || host.starts_with("127.") ||
         host.ends_with(".localhost");
}

Result<S3Endpoint> endpoint_of_host(std::string_view host_and_port, std::optional<bool> is_https) {
  auto parsed = parse_host_and_port(host_and_port);
  if (!parsed.ok()) return parsed.status().with_context("the endpoint");
  S3Endpoint endpoint;
  endpoint.host = parsed->is_ipv6 ? "[" + parsed->host + "]" : parsed->host;
  endpoint.is_https = is_https.value_or(!is_local_host(endpoint.host));
  const int own_port = endpoint.is_https ? 443 : 80;
  endpoint.authority = endpoint.host;
  if (parsed->port != 0 && parsed->port != own_port) {
    endpoint.authority += ":" + std::to_string(parsed->port);
  }
  return endpoint;
}

S3Endpoint https_endpoint(std::string host) {
  S3Endpoint endpoint;
  endpoint.host = host;
  endpoint.authority = std::move(host);
  return endpoint;
}

// "s3.amazonaws.com" and "s3.<region>.amazonaws.com", but not its special doors.
bool is_plain_aws_host(std::string_view host, std::string_view region) {
  const std::string dotted = "s3." + std::string(region) + ".amazonaws.com";
  const std::string dashed = "s3-" + std::string(region) + ".amazonaws.com";
  return host == "s3.amazonaws.com" || host == dotted || host == dotted + ".cn" || host == dashed;
}

// OSS speaks the S3 API under names of its own.
std::string s3_host_of_oss(std::string host) {
  const bool is_native =
      host.starts_with("oss-") && host.find(".aliyuncs.com") != std::string::npos;
  return is_native ? "s3." + host : host;
}

Result<std::optional<S3HostForm>> split_authority(std::string_view authority) {
  if (authority.find('@') != std::string_view::npos) {
    return invalid_argument(
        "an s3 URL holds no keys; set access-key-id and secret-access-key in litestream.yml or the "
        "options, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment");
  }
  if (authority.starts_with("arn:")) {
    return unsupported("access point ARNs are not supported; name the bucket");
  }
  const size_t colon = authority.find(':');
  std::string host;
  for (const char c : authority.substr(0, colon)) {
    host += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  auto form = split_s3_host(host);
  if (form.has_value() || colon == std::string_view::npos) return form;
  const size_t dot = host.find('.');
  if (dot == std::string::npos) {
    return invalid_argument(
        "an s3 URL with a port is s3://bucket.host:port/prefix, or "
        "s3://bucket/prefix?endpoint=host:port");
  }
  return std::optional(S3HostForm{host.substr(0, dot), host.substr(dot + 1), ""});
}

// What the authority of the URL says: a bucket, or a bucket and where it is.
Status read_authority(std::string_view authority, S3Options* options, bool* names_endpoint) {
  LS_ASSIGN_OR_RETURN(const auto form, split_authority(authority));
  *names_endpoint = form.has_value();
  if (!form.has_value()) {
    options->bucket = authority;
    return {};
  }
  options->bucket = form->bucket;
  options->region = form->region;
  const size_t colon = authority.find(':');
  if (colon == std::string_view::npos && is_plain_aws_host(form->endpoint_host, form->region)) {
    return {};  // Amazon's own endpoint, which follows from the region
  }
  const bool is_known = &s3_provider_of_host(form->endpoint_host) != &s3_provider_of_host("");
  options->endpoint_source = is_known ? EndpointSource::kHostForm : EndpointSource::kUrl;
  std::string endpoint = s3_host_of_oss(form->endpoint_host);
  if (colon != std::string_view::npos) endpoint += authority.substr(colon);
  LS_ASSIGN_OR_RETURN(options->endpoint, endpoint_of_host(endpoint, is_known));
  return {};
}

struct FoundEndpoint {
  std::string text;
  EndpointSource source = EndpointSource::kProvider;
};

FoundEndpoint find_endpoint(const StoreValues& values, const StoreSpec& spec, bool has_endpoint,
                            const StoreEnvironment& environment) {
  if (const std::string* text = values.find("endpoint"); text != nullptr && !text->empty()) {
    const bool is_setting = values.is_set_beside_url("endpoint");
    return {*text, is_setting ? EndpointSource::kSettings : EndpointSource::kUrl};
  }
  if (has_endpoint || !spec.ambient_credentials || !environment) return {};
  for (const char* name : {"LITESTREAM_S3_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"}) {
    if (const auto text = environment(name)) return {*text, EndpointSource::kEnvironment};
  }
  return {};
}

// The region of the environment is Amazon's: elsewhere it would only break signatures.
std::string default_region(const S3Provider& provider, const StoreSpec& spec,
                           const StoreEnvironment& environment) {
  if (provider.is_aws && spec.ambient_credentials && environment) {
    for (const char* name : {"AWS_REGION", "AWS_DEFAULT_REGION"}) {
      const auto region = environment(name);
      if (region.has_value() && is_plain_word(*region)) return *region;
    }
  }
  return std::string(provider.default_region);
}

Status resolve_endpoint(const StoreValues& values, const StoreSpec& spec, bool has_endpoint,
                        const StoreEnvironment& environment, S3Options* options) {
  const FoundEndpoint found = find_endpoint(values, spec, has_endpoint, environment);
  if (!found.text.empty()) {
    LS_ASSIGN_OR_RETURN(options->endpoint, parse_s3_endpoint(found.text));
    options->endpoint_source = found.source;
    options->region = region_of_s3_host(options->endpoint.host);
  }
  if (const std::string* region = values.find("region"); region != nullptr && !region->empty()) {
    if (!is_plain_word(*region)) return invalid_argument("'region' is a word like eu-west-1");
    options->region = *region;
  }
  const bool is_provider = options->endpoint_source == EndpointSource::kProvider;
  const bool is_oss = options->type == "oss";
  if (is_provider && is_oss) {
    if (options->region.empty()) options->region = "cn-hangzhou";
    options->endpoint = https_endpoint("s3.oss-" + options->region + ".aliyuncs.com");
  }
  options->provider = is_provider && !is_oss ? &s3_provider_of_host("s3.amazonaws.com")
                                             : &s3_provider_of_host(options->endpoint.host);
  if (options->region.empty()) {
    options->region = default_region(*options->provider, spec, environment);
    options->region_is_guess = true;
  }
  if (is_provider && !is_oss) options->endpoint = options->endpoint_in(options->region);
  return {};
}

Status read_switch(const StoreValues& values, std::string_view name, bool* out) {
  const std::string* text = values.find(name);
  if (text == nullptr || text->empty()) return {};
  LS_ASSIGN_OR_RETURN(*out, parse_switch_value(name, *text));
  return {};
}

std::string text_of(const StoreValues& values, std::string_view name) {
  const std::string* text = values.find(name);
  return text == nullptr ? "" : *text;
}

Status resolve_encryption(const StoreValues& values, S3Options* options) {
  options->sse_algorithm = text_of(values, "sse-customer-algorithm");
  options->sse_key = text_of(values, "sse-customer-key");
  options->sse_key_path = text_of(values, "sse-customer-key-path");
  options->sse_key_md5 = text_of(values, "sse-customer-key-md5");
  options->sse_kms_key_id = text_of(values, "sse-kms-key-id");
  const bool has_customer_key = !options->sse_key.empty() || !options->sse_key_path.empty();
  if (!options->sse_key.empty() && !options->sse_key_path.empty()) {
    return invalid_argument("'sse-customer-key' and 'sse-customer-key-path' cannot both be given");
  }
  if (!has_customer_key) {
    if (options->sse_algorithm.empty() && options->sse_key_md5.empty()) return {};
    return invalid_argument("'sse-customer-algorithm' needs 'sse-customer-key'");
  }
  if (!options->sse_kms_key_id.empty()) {
    return invalid_argument("'sse-customer-key' and 'sse-kms-key-id' cannot both be given");
  }
  if (options->sse_algorithm.empty()) options->sse_algorithm = "AES256";
  if (options->sse_algorithm != "AES256") {
    return invalid_argument("'sse-customer-algorithm' is AES256");
  }
  if (!options->endpoint.is_https && !is_loopback(options->endpoint.host)) {
    return invalid_argument("'sse-customer-key' is sent with every request: it needs https");
  }
  if (!options->sse_key.empty()) {
    const auto key = base64_decode(options->sse_key);
    if (!key.ok() || key->size() != 32) {
      return invalid_argument("'sse-customer-key' is base64 of 32 bytes");
    }
  }
  return {};
}

Status resolve_transfer(const StoreValues& values, S3Options* options) {
  const S3Provider& provider = *options->provider;
  const bool has_own_endpoint = options->endpoint_source == EndpointSource::kUrl ||
                                options->endpoint_source == EndpointSource::kSettings ||
                                options->endpoint_source == EndpointSource::kEnvironment;
  options->path_style =
      (provider.prefers_path_style || has_own_endpoint) && !provider.needs_virtual_host;
  // A wildcard certificate covers one label: a bucket with dots only works by path there.
  if (options->endpoint.is_https && options->bucket.find('.') != std::string::npos &&
      !provider.needs_virtual_host) {
    options->path_style = true;
  }
  LS_RETURN_IF_ERROR(read_switch(values, "force-path-style", &options->path_style));
  options->signs_payload = provider.signs_payload || !options->endpoint.is_https;
  LS_RETURN_IF_ERROR(read_switch(values, "sign-payload", &options->signs_payload));
  LS_RETURN_IF_ERROR(read_switch(values, "skip-verify", &options->skip_verify));
  options->sends_content_md5 = provider.takes_content_md5;
  LS_RETURN_IF_ERROR(read_switch(values, "require-content-md5", &options->sends_content_md5));
  options->sends_content_md5_always =
      options->sends_content_md5 && !text_of(values, "require-content-md5").empty();
  if (const std::string* text = values.find("part-size")) {
    LS_ASSIGN_OR_RETURN(options->part_bytes,
                        parse_bytes_value("part-size", *text, kS3PartBytesMin, kS3PartBytesMax));
  }
  options->concurrency = provider.concurrency;
  if (const std::string* text = values.find("concurrency")) {
    LS_ASSIGN_OR_RETURN(const int64_t count,
                        parse_count_value("concurrency", *text, 1, kS3ConcurrencyMax));
    options->concurrency = static_cast<int>(count);
  }
  options->storage_class = text_of(values, "storage-class");
  if (!options->storage_class.empty() && !is_plain_word(options->storage_class)) {
    return invalid_argument("'storage-class' is a word like STANDARD_IA");
  }
  return {};
}

Status resolve_keys(const StoreValues& values, S3Options* options) {
  options->access_key_id = text_of(values, "access-key-id");
  options->secret_access_key = text_of(values, "secret-access-key");
  if (options->access_key_id.empty() != options->secret_access_key.empty()) {
    return invalid_argument("'access-key-id' and 'secret-access-key' belong together");
  }
  return {};
}

// The bucket may also stand beside a URL that has none: s3:///prefix.
Status resolve_bucket(const StoreValues& values, S3Options* options) {
  const std::string setting = text_of(values, "bucket");
  if (options->bucket.empty()) options->bucket = setting;
  if (!setting.empty() && setting != options->bucket) {
    return invalid_argument("'bucket' is not the bucket of the URL");
  }
  if (options->bucket.empty()) {
    return invalid_argument("an " + options->type + " URL names a bucket: " + options->type +
                            "://bucket/prefix");
  }
  if (!is_bucket_name(options->bucket)) {
    return invalid_argument("the bucket of the " + options->type +
                            " URL is no bucket name (3 to 255 letters, digits, '-', '.', '_')");
  }
  return {};
}

}  // namespace

const std::vector<StoreParameter>& s3_parameters() {
  static const auto* const parameters = new std::vector<StoreParameter>{
      {"endpoint"},
      {"region"},
      {"force-path-style"},
      {"skip-verify"},
      {"sign-payload"},
      {"require-content-md5"},
      {"concurrency"},
      {"part-size"},
      {"storage-class"},
      {"sse-customer-algorithm"},
      {"sse-customer-key", true, true},
      {"sse-customer-key-md5", true, true},
      {"sse-kms-key-id", true, true},
      {"sse-customer-key-path", false},
      {"bucket", false},
      {"access-key-id", false, true},
      {"secret-access-key", false, true},
  };
  return *parameters;
}

S3Endpoint S3Options::endpoint_in(const std::string& in_region) const {
  if (endpoint_source != EndpointSource::kProvider || type == "oss") return endpoint;
  const bool is_china = in_region.starts_with("cn-");
  return https_endpoint("s3." + in_region + ".amazonaws.com" + (is_china ? ".cn" : ""));
}

Result<S3Endpoint> parse_s3_endpoint(std::string_view text) {
  if (url_scheme_length(text) == 0) {
    const std::string_view authority = text.substr(0, text.find('/'));
    LS_ASSIGN_OR_RETURN(S3Endpoint endpoint, endpoint_of_host(authority, std::nullopt));
    return parse_s3_endpoint((endpoint.is_https ? "https://" : "http://") + std::string(text));
  }
  auto url = parse_url(text);
  if (!url.ok()) return url.status().with_context("the endpoint");
  if (url->scheme != "https" && url->scheme != "http") {
    return invalid_argument("an endpoint begins with https:// or http://");
  }
  if (!url->query.empty()) return invalid_argument("an endpoint has no parameters");
  LS_ASSIGN_OR_RETURN(S3Endpoint endpoint,
                      endpoint_of_host(s3_host_of_oss(url->authority), url->scheme == "https"));
  const std::string path = clean_object_prefix(url->path);
  if (!path.empty()) endpoint.path = "/" + percent_encode(path, Slashes::kKept);
  return endpoint;
}

Result<S3Options> resolve_s3_options(const StoreSpec& spec, const StoreEnvironment& environment) {
  auto url = parse_url(spec.url);
  if (!url.ok()) return url.status().with_context("replica URL");
  S3Options options;
  options.type = url->scheme;
  options.ambient_credentials = spec.ambient_credentials;
  options.prefix = clean_object_prefix(url->path);
  LS_ASSIGN_OR_RETURN(const StoreValues values,
                      collect_values(options.type, s3_parameters(), url->query, spec.settings));
  bool has_endpoint = false;
  LS_RETURN_IF_ERROR(read_authority(url->authority, &options, &has_endpoint));
  LS_RETURN_IF_ERROR(resolve_bucket(values, &options));
  LS_RETURN_IF_ERROR(resolve_endpoint(values, spec, has_endpoint, environment, &options));
  LS_RETURN_IF_ERROR(resolve_transfer(values, &options));
  LS_RETURN_IF_ERROR(resolve_encryption(values, &options));
  LS_RETURN_IF_ERROR(resolve_keys(values, &options));
  StoreValues shown = values;
  const bool has_own_endpoint = options.endpoint_source == EndpointSource::kSettings ||
                                options.endpoint_source == EndpointSource::kEnvironment;
  if (has_own_endpoint) {
    // Where a replica is belongs to its name, whoever said it.
    std::erase_if(shown.from_url, [](const auto& pair) { return pair.first == "endpoint"; });
    shown.from_url.emplace_back("endpoint", options.endpoint.url());
  }
  Url named = *url;
  if (named.authority.empty()) named.authority = options.bucket;
  named.query = shown.from_url;
  LS_ASSIGN_OR_RETURN(options.url, normalize_s3_url(named, UrlSecrets::kDropped));
  return options;
}

Result<std::string> normalize_s3_url(const Url& url, UrlSecrets secrets) {
  LS_ASSIGN_OR_RETURN(const StoreValues values,
                      collect_values(url.scheme, s3_parameters(), url.query, {}));
  LS_RETURN_IF_ERROR(split_authority(url.authority).status());
  std::string out = url.scheme + "://" + url.authority;
  const std::string prefix = clean_object_prefix(url.path);
  if (!prefix.empty()) out += "/" + percent_encode(prefix, Slashes::kKept);
  return out + format_url_query(s3_parameters(), values, secrets);
}

}  // namespace litestream
