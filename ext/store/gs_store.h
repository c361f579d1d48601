// A replica in a bucket of Google Cloud Storage, by its XML API: gs://bucket/path.
//
// Credentials: an HMAC key (`access-key-id`, `secret-access-key` beside the URL), or a service
// account's key file (`key-path` beside the URL, else GOOGLE_APPLICATION_CREDENTIALS, which is only
// used for Google's own hosts). Writes are create-only and the lease goes by generation numbers
// (x-goog-if-generation-match). A file above one chunk goes as a resumable upload, which is
// cancelled if it is given up. The time of the last commit is in the object's metadata
// `litestream-timestamp` (upstream's name); listings do not show it.
// Source: Cloud Storage reference, XML API.
// Threading: values, pure functions; the tree is thread-safe.
#pragma once

#include <memory>
#include <string>

#include "ext/base/url.h"
#include "ext/store/gs_auth.h"
#include "ext/store/remote_tree.h"
#include "ext/store/s3_options.h"
#include "ext/store/store_spec.h"

namespace litestream {

struct GsOptions {
  std::string bucket;
  std::string prefix;  // "" or "a/b"
  S3Endpoint endpoint;
  GsHmacKey hmac_key;    // empty: none
  std::string key_path;  // of a service account; empty: none
  bool skip_verify = false;
  std::string url;  // canonical, without secrets
};

// InvalidArgument says which part of the URL or which setting makes no sense, or which credentials
// are missing. `environment` is asked only if the spec allows ambient credentials.
Result<GsOptions> resolve_gs_options(const StoreSpec& spec, const StoreEnvironment& environment);

// The one spelling of a gs URL.
Result<std::string> normalize_gs_url(const Url& url, UrlSecrets secrets);

std::unique_ptr<RemoteTree> make_gs_tree(GsOptions options, RemoteParts parts);

}  // namespace litestream
