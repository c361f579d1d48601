// From a gs URL and settings to GsOptions.
#include <algorithm>

#include "ext/store/gs_store.h"

namespace litestream {
namespace {

constexpr std::string_view kGoogle = "https://storage.googleapis.com";

const std::vector<StoreParameter>& gs_parameters() {
  static const auto* const parameters = new std::vector<StoreParameter>{
      {"endpoint"},
      {"skip-verify"},
      {"bucket", false},
      {"access-key-id", false, true},
      {"secret-access-key", false, true},
      {"key-path", false},
  };
  return *parameters;
}

std::string text_of(const StoreValues& values, std::string_view name) {
  const std::string* text = values.find(name);
  return text == nullptr ? "" : *text;
}

bool is_bucket_name(std::string_view name) {
  return name.size() >= 3 && name.size() <= 222 &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
                  c == '_';
         });
}

Status read_bucket(const Url& url, const StoreValues& values, GsOptions* options) {
  options->bucket = url.authority;
  const std::string setting = text_of(values, "bucket");
  if (options->bucket.empty()) options->bucket = setting;
  if (!setting.empty() && setting != options->bucket) {
    return invalid_argument("'bucket' is not the bucket of the gs URL");
  }
  if (is_bucket_name(options->bucket)) return {};
  return invalid_argument(
      "a gs URL names a bucket, and no keys: gs://bucket/path (3 to 222 of a-z, 0-9, '-', '.', "
      "'_')");
}

bool is_google(const S3Endpoint& endpoint) {
  return endpoint.is_https &&
         (endpoint.host == "storage.googleapis.com" || endpoint.host.ends_with(".googleapis.com"));
}

Status read_credentials(const StoreSpec& spec, const StoreValues& values,
                        const StoreEnvironment& environment, GsOptions* options) {
  options->hmac_key = {text_of(values, "access-key-id"), text_of(values, "secret-access-key")};
  options->key_path = text_of(values, "key-path");
  const bool has_hmac = !options->hmac_key.access_key_id.empty();
  if (has_hmac == options->hmac_key.secret_access_key.empty()) {
    return invalid_argument("'access-key-id' and 'secret-access-key' belong together");
  }
  if (has_hmac && !options->key_path.empty()) {
    return invalid_argument("'access-key-id' and 'key-path' cannot both be given");
  }
  if (has_hmac || !options->key_path.empty()) return {};
  if (!spec.ambient_credentials || !environment) return {};
  if (is_google(options->endpoint)) {
    options->key_path = environment("GOOGLE_APPLICATION_CREDENTIALS").value_or("");
  }
  if (!options->key_path.empty()) return {};
  return invalid_argument("no credentials for gs://" + options->bucket +
                          ": set 'key-path' to the key file of a service account or "
                          "'access-key-id' and 'secret-access-key' to an HMAC key beside the "
                          "replica, or GOOGLE_APPLICATION_CREDENTIALS (only for Google's hosts)");
}

}  // namespace

Result<GsOptions> resolve_gs_options(const StoreSpec& spec, const StoreEnvironment& environment) {
  auto url = parse_url(spec.url);
  if (!url.ok()) return url.status().with_context("gs URL");
  LS_ASSIGN_OR_RETURN(const StoreValues values,
                      collect_values("gs", gs_parameters(), url->query, spec.settings));
  GsOptions options;
  LS_RETURN_IF_ERROR(read_bucket(*url, values, &options));
  options.prefix = clean_object_prefix(url->path);
  const std::string endpoint = text_of(values, "endpoint");
  LS_ASSIGN_OR_RETURN(options.endpoint,
                      parse_s3_endpoint(endpoint.empty() ? kGoogle : std::string_view(endpoint)));
  if (const std::string* text = values.find("skip-verify"); text != nullptr && !text->empty()) {
    LS_ASSIGN_OR_RETURN(options.skip_verify, parse_switch_value("skip-verify", *text));
  }
  LS_RETURN_IF_ERROR(read_credentials(spec, values, environment, &options));
  Url named = *url;
  named.authority = options.bucket;
  if (values.is_set_beside_url("endpoint")) {
    std::erase_if(named.query, [](const auto& pair) { return pair.first == "endpoint"; });
    named.query.emplace_back("endpoint", options.endpoint.url());
  }
  LS_ASSIGN_OR_RETURN(options.url, normalize_gs_url(named, UrlSecrets::kDropped));
  return options;
}

Result<std::string> normalize_gs_url(const Url& url, UrlSecrets secrets) {
  LS_ASSIGN_OR_RETURN(const StoreValues values,
                      collect_values("gs", gs_parameters(), url.query, {}));
  if (url.authority.find('@') != std::string::npos) {
    return invalid_argument("a gs URL holds no keys; set them beside it");
  }
  std::string out = "gs://" + url.authority;
  const std::string prefix = clean_object_prefix(url.path);
  if (!prefix.empty()) out += "/" + percent_encode(prefix, Slashes::kKept);
  return out + format_url_query(gs_parameters(), values, secrets);
}

}  // namespace litestream
