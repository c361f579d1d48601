// A replica in a container of Azure Blob Storage: abs://account@container/path.
//
// Credentials: `account-key` or `sas-token` beside the URL, else LITESTREAM_AZURE_ACCOUNT_KEY or
// LITESTREAM_AZURE_SAS_TOKEN; those of the environment only go to Azure's own host for the account
// or to an `endpoint` beside the URL. Writes are create-only by If-None-Match, the lease goes by
// ETag. A file above one block is uploaded in blocks, which the service drops after a week if they
// are never committed. The time of the last commit is in the blob's metadata `litestreamtimestamp`
// (upstream's name), which listings show.
// Source: Microsoft's REST reference for Blob Storage.
// Threading: values, pure functions; the tree is thread-safe.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ext/base/url.h"
#include "ext/store/remote_tree.h"
#include "ext/store/s3_options.h"
#include "ext/store/store_spec.h"

namespace litestream {

struct AbsOptions {
  std::string account;
  std::string container;
  std::string prefix;  // "" or "a/b"
  S3Endpoint endpoint;
  std::vector<uint8_t> account_key;  // empty: none
  std::string sas_token;             // a query without '?'; empty: none
  bool skip_verify = false;
  std::string url;  // canonical, without secrets
};

// InvalidArgument says which part of the URL or which setting makes no sense, or which credentials
// are missing. `environment` is asked only if the spec allows ambient credentials.
Result<AbsOptions> resolve_abs_options(const StoreSpec& spec, const StoreEnvironment& environment);

// The one spelling of an abs URL.
Result<std::string> normalize_abs_url(const Url& url, UrlSecrets secrets);

std::unique_ptr<RemoteTree> make_abs_tree(AbsOptions options, RemoteParts parts);

// What a SharedKey signature is over. Source: "Authorize with Shared Key".
std::string abs_string_to_sign(const HttpRequest& request, std::string_view account);

}  // namespace litestream
