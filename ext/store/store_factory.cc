#include "ext/store/store_factory.h"

#include <algorithm>
#include <array>

#include "ext/base/limits.h"
#include "ext/base/url.h"
#include "ext/store/abs_store.h"
#include "ext/store/file_store.h"
#include "ext/store/gs_store.h"
#include "ext/store/s3_store.h"
#include "ext/store/sftp_store.h"
#include "ext/store/tree_store.h"
#include "ext/store/webdav_store.h"

namespace litestream {
namespace {

constexpr std::string_view kFilePrefix = "file://";
// Schemes that upstream reads; those that this build does too are in kOpeners.
constexpr std::array<std::string_view, 9> kKnownSchemes = {
    "file", "s3", "oss", "gs", "abs", "sftp", "webdav", "webdavs", "nats"};

Status bad_file_url(std::string_view why) {
  return invalid_argument("a file URL " + std::string(why) +
                          "; write file:// and an absolute path, for example "
                          "file:///var/backup/app");
}

Result<std::unique_ptr<LtxStore>> open_file_store(FileSystem& fs, const StoreSpec& spec) {
  LS_ASSIGN_OR_RETURN(std::string path, path_of_file_url(spec.url));
  std::unique_ptr<LtxStore> store = std::make_unique<FileStore>(fs, std::move(path));
  return store;
}

Status check_file_spec(const StoreSpec& spec) {
  LS_RETURN_IF_ERROR(path_of_file_url(spec.url).status());
  return collect_values("file", {}, {}, spec.settings).status();
}

Result<std::unique_ptr<LtxStore>> open_s3_store(FileSystem& fs, const StoreSpec& spec) {
  S3ClientParts parts;
  parts.fs = &fs;
  parts.environment = secure_environment();
  LS_ASSIGN_OR_RETURN(parts.options, resolve_s3_options(spec, parts.environment));
  std::unique_ptr<LtxStore> store = std::make_unique<S3Store>(std::move(parts));
  return store;
}

Status check_s3_spec(const StoreSpec& spec) { return resolve_s3_options(spec, {}).status(); }

// The stores over a RemoteTree differ in their options and how these become a tree.
template <auto kResolve, auto kMakeTree>
Result<std::unique_ptr<LtxStore>> open_tree_store(FileSystem& fs, const StoreSpec& spec) {
  RemoteParts parts;
  parts.fs = &fs;
  parts.environment = secure_environment();
  LS_ASSIGN_OR_RETURN(auto options, kResolve(spec, parts.environment));
  std::unique_ptr<LtxStore> store =
      std::make_unique<TreeStore>(kMakeTree(std::move(options), std::move(parts)));
  return store;
}

template <auto kResolve>
Status check_tree_spec(const StoreSpec& spec) {
  return kResolve(spec, {}).status();
}

// One row per scheme that this build stores at.
struct Opener {
  std::string_view scheme;
  Result<std::unique_ptr<LtxStore>> (*open)(FileSystem& fs, const StoreSpec& spec);
  Status (*check)(const StoreSpec& spec);
  // Null: the URL has no parameters, and its spelling is the business of the caller.
  Result<std::string> (*normalize)(const Url& url, UrlSecrets secrets);
};
constexpr Opener kOpeners[] = {
    {"file", open_file_store, check_file_spec, nullptr},
    {"s3", open_s3_store, check_s3_spec, normalize_s3_url},
    {"oss", open_s3_store, check_s3_spec, normalize_s3_url},
    {"gs", open_tree_store<resolve_gs_options, make_gs_tree>, check_tree_spec<resolve_gs_options>,
     normalize_gs_url},
    {"abs", open_tree_store<resolve_abs_options, make_abs_tree>,
     check_tree_spec<resolve_abs_options>, normalize_abs_url},
    {"sftp", open_tree_store<resolve_sftp_options, make_sftp_tree>,
     check_tree_spec<resolve_sftp_options>, normalize_sftp_url},
    {"webdav", open_tree_store<resolve_webdav_options, make_webdav_tree>,
     check_tree_spec<resolve_webdav_options>, normalize_webdav_url},
    {"webdavs", open_tree_store<resolve_webdav_options, make_webdav_tree>,
     check_tree_spec<resolve_webdav_options>, normalize_webdav_url},
};

const Opener* find_opener(std::string_view scheme) {
  for (const Opener& opener : kOpeners) {
    if (opener.scheme == scheme) return &opener;
  }
  return nullptr;
}

std::string scheme_of(std::string_view url) {
  std::string scheme(url.substr(0, url_scheme_length(url)));
  for (char& c : scheme) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return scheme;
}

Result<const Opener*> opener_of(std::string_view url) {
  const std::string scheme = scheme_of(url);
  if (scheme.empty()) {
    return invalid_argument(
        "a replica URL starts with a scheme, for example file:///var/backup/app");
  }
  LS_RETURN_IF_ERROR(check_store_scheme(scheme));
  return find_opener(scheme);
}

}  // namespace

Result<std::string> path_of_file_url(std::string_view url) {
  if (scheme_of(url) != "file") return bad_file_url("starts with file://");
  if (url.size() > kUrlBytesMax) return bad_file_url("may not be longer than 8192 bytes");
  std::string_view rest = url.substr(kFilePrefix.size());
  constexpr std::string_view kLocalhost = "localhost/";
  if (rest.starts_with(kLocalhost)) rest.remove_prefix(kLocalhost.size() - 1);
  if (!rest.starts_with('/')) return bad_file_url("has no host and no relative path");
  if (rest.find_first_of("?#") != std::string_view::npos) {
    return bad_file_url("has no parameters (a ? in a path is written %3F, a # %23)");
  }
  auto decoded = percent_decode(rest);
  if (!decoded.ok()) return bad_file_url("has two hex digits after each %, and no zero byte");
  std::string path = *std::move(decoded);
  if (path.size() > kPathBytesMax) return bad_file_url("has a path of at most 4096 bytes");
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

std::string file_url_of_path(std::string_view path) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out(kFilePrefix);
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= ' ' || byte == 0x7F || c == '%' || c == '?' || c == '#') {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  return out;
}

Status check_store_scheme(std::string_view scheme) {
  if (find_opener(scheme) != nullptr) return {};
  std::string supported;
  for (const Opener& opener : kOpeners) {
    supported += (supported.empty() ? "" : ", ") + std::string(opener.scheme);
  }
  const std::string name(scheme.substr(0, 32));
  if (std::find(kKnownSchemes.begin(), kKnownSchemes.end(), scheme) != kKnownSchemes.end()) {
    return unsupported("replica URL scheme '" + name +
                       "' is not supported yet; supported: " + supported);
  }
  return invalid_argument("unknown replica URL scheme '" + name + "'; supported: " + supported);
}

Result<std::unique_ptr<LtxStore>> open_store(FileSystem& fs, const StoreSpec& spec) {
  LS_ASSIGN_OR_RETURN(const Opener* opener, opener_of(spec.url));
  LS_RETURN_IF_ERROR(opener->check(spec));
  return opener->open(fs, spec);
}

Result<std::unique_ptr<LtxStore>> open_store(FileSystem& fs, std::string_view url) {
  StoreSpec spec;
  spec.url = url;
  return open_store(fs, spec);
}

Status check_store_spec(const StoreSpec& spec) {
  LS_ASSIGN_OR_RETURN(const Opener* opener, opener_of(spec.url));
  return opener->check(spec);
}

Result<std::string> normalize_store_url(std::string_view url, UrlSecrets secrets) {
  LS_ASSIGN_OR_RETURN(const Opener* opener, opener_of(url));
  if (opener->normalize == nullptr) return std::string(url);
  const auto parsed = parse_url(url);
  if (!parsed.ok()) return parsed.status().with_context("replica URL");
  return opener->normalize(*parsed, secrets);
}

}  // namespace litestream
