// URLs of stores put together: from the parts that a configuration names, and one below another.
// Threading: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "ext/base/status.h"
#include "ext/engine/options.h"

namespace litestream {

// "s3" for "s3", "webdav" for "webdavs".
std::string type_of_scheme(std::string_view scheme);

// Whether this build can store at a replica of `type`: ok; Unsupported for what Litestream knows
// and this build does not; InvalidArgument for the rest, with the nearest that it does.
Status check_store_type(std::string_view type);

// The URL of a store that is not a folder: `location` is what its `bucket`, `host` or `webdav-url`
// says. InvalidArgument for a location with characters that no host has.
Result<std::string> store_url(std::string_view type, std::string_view location,
                              std::string_view path);

// The replica that a URL alone describes: named after its type, opened with the secrets that the
// URL's parameters may hold. Any type takes the parameter `ambient-credentials`; `false`, once
// said, is not taken back by another one: what the environment, profiles and metadata services hold
// is then not used. Errors of full_replica_url.
Result<ReplicaOptions> replica_of_url(std::string_view url);

// `url` with `relative_path` below its path; its query stays. Percent-encodes what a URL needs.
Result<std::string> url_below(std::string_view url, std::string_view relative_path);

}  // namespace litestream
