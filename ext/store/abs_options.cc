// From an abs URL and settings to AbsOptions.
#include <algorithm>

#include "ext/store/abs_store.h"
#include "ext/store/digest.h"

namespace litestream {
namespace {

const std::vector<StoreParameter>& abs_parameters() {
  static const auto* const parameters = new std::vector<StoreParameter>{
      {"endpoint"},
      {"skip-verify"},
      {"bucket", false},
      {"account-name", false},
      {"account-key", false, true},
      {"sas-token", false, true},
  };
  return *parameters;
}

std::string text_of(const StoreValues& values, std::string_view name) {
  const std::string* text = values.find(name);
  return text == nullptr ? "" : *text;
}

// "account@container", or "container" alone.
Status read_authority(const Url& url, const StoreValues& values, AbsOptions* options) {
  const size_t at = url.authority.find('@');
  if (at != std::string::npos) options->account = url.authority.substr(0, at);
  options->container = at == std::string::npos ? url.authority : url.authority.substr(at + 1);
  if (options->account.find(':') != std::string::npos) {
    return invalid_argument("an abs URL holds no key; set 'account-key' or 'sas-token' beside it");
  }
  const std::string account = text_of(values, "account-name");
  const std::string container = text_of(values, "bucket");
  if (options->account.empty()) options->account = account;
  if (options->container.empty()) options->container = container;
  if ((!account.empty() && account != options->account) ||
      (!container.empty() && container != options->container)) {
    return invalid_argument("'account-name' or 'bucket' is not that of the abs URL");
  }
  const auto is_name_char = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '$';
  };
  const auto is_name = [&](const std::string& name, size_t min, size_t max) {
    return name.size() >= min && name.size() <= max &&
           std::all_of(name.begin(), name.end(), is_name_char);
  };
  if (is_name(options->account, 3, 63) && is_name(options->container, 3, 63)) return {};
  return invalid_argument(
      "an abs URL names an account and a container: abs://account@container/path, or "
      "abs://container/path with 'account-name'");
}

struct Found {
  std::string key;
  std::string sas;
};

Found find_credentials(const StoreSpec& spec, const StoreValues& values, bool may_be_ambient,
                       const StoreEnvironment& environment) {
  Found found = {text_of(values, "account-key"), text_of(values, "sas-token")};
  const bool is_found = !found.key.empty() || !found.sas.empty();
  if (is_found || !may_be_ambient || !spec.ambient_credentials || !environment) return found;
  found.key = environment("LITESTREAM_AZURE_ACCOUNT_KEY").value_or("");
  if (found.key.empty()) found.sas = environment("LITESTREAM_AZURE_SAS_TOKEN").value_or("");
  return found;
}

Status take_credentials(const Found& found, bool may_be_anonymous, AbsOptions* options) {
  if (!found.key.empty() && !found.sas.empty()) {
    return invalid_argument("'account-key' and 'sas-token' cannot both be given");
  }
  if (!found.key.empty()) {
    auto key = base64_decode(found.key);
    if (!key.ok() || key->empty()) {
      return invalid_argument(
          "the Azure account key is not base64; copy it as the portal shows it");
    }
    options->account_key = *std::move(key);
    return {};
  }
  options->sas_token = found.sas;
  while (options->sas_token.starts_with('?')) options->sas_token.erase(0, 1);
  const bool is_token = options->sas_token.find("sig=") != std::string::npos &&
                        options->sas_token.find_first_of(" #\r\n") == std::string::npos;
  if (!options->sas_token.empty() && !is_token) {
    return invalid_argument("the SAS token is none: it is a query with sv=, se=, sp= and sig=");
  }
  if (!options->sas_token.empty() || may_be_anonymous) return {};
  return invalid_argument("no credentials for the Azure account " + options->account +
                          ": set 'account-key' or 'sas-token' beside the replica, or "
                          "LITESTREAM_AZURE_ACCOUNT_KEY or LITESTREAM_AZURE_SAS_TOKEN (which are "
                          "not sent to an endpoint that the URL names)");
}

}  // namespace

Result<AbsOptions> resolve_abs_options(const StoreSpec& spec, const StoreEnvironment& environment) {
  auto url = parse_url(spec.url);
  if (!url.ok()) return url.status().with_context("abs URL");
  LS_ASSIGN_OR_RETURN(const StoreValues values,
                      collect_values("abs", abs_parameters(), url->query, spec.settings));
  AbsOptions options;
  LS_RETURN_IF_ERROR(read_authority(*url, values, &options));
  options.prefix = clean_object_prefix(url->path);
  const std::string endpoint = text_of(values, "endpoint");
  LS_ASSIGN_OR_RETURN(
      options.endpoint,
      parse_s3_endpoint(endpoint.empty() ? "https://" + options.account + ".blob.core.windows.net"
                                         : endpoint));
  if (const std::string* text = values.find("skip-verify"); text != nullptr && !text->empty()) {
    LS_ASSIGN_OR_RETURN(options.skip_verify, parse_switch_value("skip-verify", *text));
  }
  const bool may_be_ambient = endpoint.empty() || values.is_set_beside_url("endpoint");
  const Found found = find_credentials(spec, values, may_be_ambient, environment);
  // A configuration that is only read says nothing of the environment.
  const bool may_be_anonymous = !spec.ambient_credentials || !environment;
  LS_RETURN_IF_ERROR(take_credentials(found, may_be_anonymous, &options));
  Url named = *url;
  named.authority = options.account + "@" + options.container;
  if (values.is_set_beside_url("endpoint")) {
    std::erase_if(named.query, [](const auto& pair) { return pair.first == "endpoint"; });
    named.query.emplace_back("endpoint", options.endpoint.url());
  }
  LS_ASSIGN_OR_RETURN(options.url, normalize_abs_url(named, UrlSecrets::kDropped));
  return options;
}

Result<std::string> normalize_abs_url(const Url& url, UrlSecrets secrets) {
  LS_ASSIGN_OR_RETURN(const StoreValues values,
                      collect_values("abs", abs_parameters(), url.query, {}));
  const bool has_key =
      url.authority.substr(0, url.authority.find('@')).find(':') != url.authority.npos &&
      url.authority.find('@') != std::string::npos;
  if (has_key) {
    return invalid_argument("an abs URL holds no key; set 'account-key' or 'sas-token' beside it");
  }
  std::string out = "abs://" + url.authority;
  const std::string prefix = clean_object_prefix(url.path);
  if (!prefix.empty()) out += "/" + percent_encode(prefix, Slashes::kKept);
  return out + format_url_query(abs_parameters(), values, secrets);
}

}  // namespace litestream
