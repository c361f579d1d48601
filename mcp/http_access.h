// Who may come in over HTTP: pages of other web sites may not, and where there is a token, nobody
// without it.
// Threading: immutable after construction.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace litestream {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

// The first header of that name in any case; nullptr: none.
const std::string* find_header(const HttpHeaders& headers, std::string_view name);
bool equal_ignoring_case(std::string_view a, std::string_view b);

class HttpAccess {
 public:
  struct Options {
    // Bound to a loopback address: a Host header that names anything else comes from a page that
    // has rebound its name to this machine, and is refused.
    bool check_host = true;
    std::vector<std::string> allowed_hosts;    // besides this machine's: "db7" or "db7:8080"
    std::vector<std::string> allowed_origins;  // besides this machine's: "https://db7.example"
    std::string token;                         // "": none is asked for
  };
  explicit HttpAccess(Options options) : options_(std::move(options)) {}

  enum class Verdict { kWelcome, kForeignHost, kForeignOrigin, kNoToken, kWrongToken };
  Verdict judge(const HttpHeaders& headers) const;

 private:
  bool is_allowed_host(std::string_view authority) const;
  bool is_allowed_origin(std::string_view origin) const;

  const Options options_;
};

}  // namespace litestream
