// Replica URLs: where immutable LTX files live, as a user writes it.
// Threading: pure functions; those that say so read the working directory.
#pragma once

#include <string>
#include <string_view>

#include "ext/base/status.h"
#include "ext/base/url.h"

namespace litestream {

using ReplicaUrl = Url;

// Splits any URL. InvalidArgument without a scheme, for bad percent-encoding, a zero byte or more
// than kUrlBytesMax bytes. No message repeats the URL, which may hold secrets.
Result<ReplicaUrl> parse_replica_url(std::string_view text);

// Whether this build can store at `scheme`: ok; Unsupported for what Litestream knows and we do not
// yet; InvalidArgument for the rest.
Status check_scheme(std::string_view scheme);

// The one spelling of a replica, for showing and comparing: no secrets. For files file:// and the
// clean absolute path without trailing slash, percent-encoded where a URL needs it. file://a/b is
// the path a/b relative to the working directory, file://localhost/a the path /a. For other stores:
// normalize_store_url() of ext/store. Errors of parse_replica_url and check_scheme; Io if there is
// no working directory.
Result<std::string> canonical_replica_url(std::string_view text);
// The same with the secrets that parameters may hold, for opening the store.
Result<std::string> full_replica_url(std::string_view text);

// The canonical URL of a file replica at `path`.
Result<std::string> file_replica_url(std::string_view path);

// Absolute (by the working directory), without "//", "." and "..", without trailing slash. Looks
// at the text only: symbolic links stay.
Result<std::string> absolute_path(std::string_view path);

// For people and logs: without user names, passwords and the values of query parameters that are
// not known to be harmless. Text that is no URL comes back as it is.
std::string redact_url(std::string_view text);

// Whether `text` begins with "<scheme>://".
bool is_replica_url(std::string_view text);

}  // namespace litestream
