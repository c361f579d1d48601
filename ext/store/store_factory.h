// From a replica URL to the store behind it.
// Threading: pure functions over their arguments; the store says its own.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "ext/base/file_system.h"
#include "ext/store/ltx_store.h"

namespace litestream {

// Opens the store of `url` ("file:///var/backup/app"); no I/O. `fs` must outlive it.
// InvalidArgument: no or unknown scheme, or a URL of a known scheme that makes no sense; the
// message never repeats the URL, which may hold secrets. Unsupported: a scheme of upstream's that
// this build does not have.
Result<std::unique_ptr<LtxStore>> open_store(FileSystem& fs, std::string_view url);

// The absolute path of a file URL, percent-decoded, without trailing slashes. InvalidArgument says
// what a file URL looks like.
Result<std::string> path_of_file_url(std::string_view url);
// "file://" and the path with what a URL cannot hold percent-encoded.
std::string file_url_of_path(std::string_view path);

}  // namespace litestream
