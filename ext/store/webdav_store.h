// A replica on a WebDAV server: webdav://[user[:password]@]host[:port]/path, webdavs:// by HTTPS.
//
// Credentials: `webdav-username` and `webdav-password` beside the URL, else those in it; Basic
// authentication. A file is uploaded under a temporary name with its exact length (large ones wait
// in a file of TMPDIR until that is known), its size is compared, and MOVE with `Overwrite: F`
// gives it its name. There is no lease: names fence. Source: RFC 4918. Threading: values, pure
// functions; the tree is thread-safe.
#pragma once

#include <memory>
#include <string>

#include "ext/base/url.h"
#include "ext/store/remote_tree.h"
#include "ext/store/store_spec.h"

namespace litestream {

struct WebdavOptions {
  std::string origin;  // "https://host:port"
  std::string root;    // "/a/b", or "" for the server's root; not encoded
  std::string user_name;
  std::string password;
  bool skip_verify = false;
  std::string spill_directory;  // where large uploads wait
  std::string url;              // canonical, without secrets
};

// InvalidArgument says which part of the URL or which setting makes no sense.
Result<WebdavOptions> resolve_webdav_options(const StoreSpec& spec,
                                             const StoreEnvironment& environment);

// The one spelling of a webdav or webdavs URL.
Result<std::string> normalize_webdav_url(const Url& url, UrlSecrets secrets);

std::unique_ptr<RemoteTree> make_webdav_tree(WebdavOptions options, RemoteParts parts);

// The entries of the folder `folder_path` (decoded, no slash at the end) in the answer to PROPFIND
// with Depth 1. Corrupt if it is none, or names files elsewhere.
Result<std::vector<RemoteEntry>> parse_multistatus(std::string_view body,
                                                   std::string_view folder_path);

}  // namespace litestream
