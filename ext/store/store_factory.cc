#include "ext/store/store_factory.h"

#include <algorithm>
#include <array>

#include "ext/base/limits.h"
#include "ext/store/file_store.h"

namespace litestream {
namespace {

constexpr std::string_view kFilePrefix = "file://";
// Schemes that upstream reads and this build does not.
constexpr std::array<std::string_view, 8> kOtherSchemes = {"s3",   "oss",    "gs",      "abs",
                                                           "sftp", "webdav", "webdavs", "nats"};

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Status bad_file_url(std::string_view why) {
  return invalid_argument("a file URL " + std::string(why) +
                          "; write file:// and an absolute path, for example "
                          "file:///var/backup/app");
}

Result<std::string> percent_decode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
    if (high < 0 || low < 0) return bad_file_url("needs two hex digits after each %");
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

// "" if there is no scheme.
std::string lower_scheme(std::string_view url) {
  const size_t colon = url.find("://");
  if (colon == std::string_view::npos || colon == 0) return "";
  std::string scheme(url.substr(0, colon));
  for (char& c : scheme) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    const bool legal = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '-';
    if (!legal) return "";
  }
  return scheme;
}

}  // namespace

Result<std::string> path_of_file_url(std::string_view url) {
  if (lower_scheme(url) != "file") return bad_file_url("starts with file://");
  if (url.size() > kUrlBytesMax) return bad_file_url("may not be longer than 8192 bytes");
  std::string_view rest = url.substr(kFilePrefix.size());
  constexpr std::string_view kLocalhost = "localhost/";
  if (rest.starts_with(kLocalhost)) rest.remove_prefix(kLocalhost.size() - 1);
  if (!rest.starts_with('/')) return bad_file_url("has no host and no relative path");
  if (rest.find_first_of("?#") != std::string_view::npos) {
    return bad_file_url("has no parameters (a ? in a path is written %3F, a # %23)");
  }
  LS_ASSIGN_OR_RETURN(std::string path, percent_decode(rest));
  if (path.find('\0') != std::string::npos) return bad_file_url("holds no zero byte");
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

Result<std::unique_ptr<LtxStore>> open_store(FileSystem& fs, std::string_view url) {
  const std::string scheme = lower_scheme(url);
  if (scheme == "file") {
    LS_ASSIGN_OR_RETURN(std::string path, path_of_file_url(url));
    std::unique_ptr<LtxStore> store = std::make_unique<FileStore>(fs, std::move(path));
    return store;
  }
  if (std::find(kOtherSchemes.begin(), kOtherSchemes.end(), scheme) != kOtherSchemes.end()) {
    return unsupported("replicas of type " + scheme + " are not supported yet; supported: file");
  }
  if (scheme.empty()) {
    return invalid_argument(
        "a replica URL starts with a scheme, for example file:///var/backup/app");
  }
  return invalid_argument("unknown replica scheme '" + scheme.substr(0, 32) + "'; supported: file");
}

}  // namespace litestream
