// From what a configuration says to the store behind it.
// Threading: pure functions over their arguments; the store says its own.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "ext/base/file_system.h"
#include "ext/store/ltx_store.h"
#include "ext/store/store_spec.h"

namespace litestream {

// Opens the store of `spec.url` ("file:///var/backup/app", "s3://bucket/app"); no I/O. `fs` must
// outlive it. InvalidArgument: no or unknown scheme, a URL of a known scheme that makes no sense,
// or a setting that this type of store does not have (the message names it); no message repeats the
// URL, which may hold secrets. Unsupported: a scheme of upstream's that this build does not have.
Result<std::unique_ptr<LtxStore>> open_store(FileSystem& fs, const StoreSpec& spec);
// Without settings, with the environment's credentials.
Result<std::unique_ptr<LtxStore>> open_store(FileSystem& fs, std::string_view url);

// What open_store() would say, without the environment: for a configuration that is only read.
Status check_store_spec(const StoreSpec& spec);

// Whether this build can store at `scheme`: ok; Unsupported for what Litestream knows and we do not
// yet; InvalidArgument for the rest.
Status check_store_scheme(std::string_view scheme);

// The one spelling of a URL of a remote store: clean path, parameters sorted and named as in
// litestream.yml. With the secrets that its parameters may hold, for opening it, or without, for
// showing and comparing it. Errors of check_store_spec, as far as they are about the URL.
Result<std::string> normalize_store_url(std::string_view url, UrlSecrets secrets);

// The absolute path of a file URL, percent-decoded, without trailing slashes. InvalidArgument says
// what a file URL looks like.
Result<std::string> path_of_file_url(std::string_view url);
// "file://" and the path with what a URL cannot hold percent-encoded.
std::string file_url_of_path(std::string_view path);

}  // namespace litestream
