// What a store is opened with: a URL, and the settings beside it.
// Threading: values, pure functions but for secure_environment.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ext/base/status.h"
#include "ext/base/url.h"

namespace litestream {

struct StoreSpec {
  std::string url;
  // Keys of litestream.yml beside `url`, as written: {"region", "eu-west-1"}. They win over the
  // URL's parameters.
  std::vector<std::pair<std::string, std::string>> settings;
  // Whether credentials and endpoints may come from the environment, profiles and metadata
  // services. False for URLs that somebody else chose.
  bool ambient_credentials = true;
};

// The value of an environment variable, or nothing.
using StoreEnvironment = std::function<std::optional<std::string>(const std::string& name)>;
// The process's, by secure_getenv; variables that are set but empty count as not set.
StoreEnvironment secure_environment();

// One parameter that a type of store takes, in its URL or beside it.
struct StoreParameter {
  std::string_view name;  // as litestream.yml has it: "part-size"
  bool in_url = true;     // else in settings only
  bool is_secret = false;
};

// What was given, by the names of StoreParameter.
struct StoreValues {
  std::vector<std::pair<std::string, std::string>> from_url;
  std::vector<std::pair<std::string, std::string>> from_settings;
  // The setting's value, else the URL's, else nothing.
  const std::string* find(std::string_view name) const&;
  const std::string* find(std::string_view name) && = delete;
  bool is_set_beside_url(std::string_view name) const;
};

// Sorts what was given into `parameters`; "partSize" in a URL is "part-size". InvalidArgument names
// what is unknown (never its value) and what is known; a secret that may not be in a URL; a
// parameter given twice in one place.
Result<StoreValues> collect_values(
    std::string_view type, const std::vector<StoreParameter>& parameters,
    const std::vector<std::pair<std::string, std::string>>& url_query,
    const std::vector<std::pair<std::string, std::string>>& settings);

// "?a=1&b=2" of what a URL gave, sorted by name; "" for nothing. Secrets only if told so.
enum class UrlSecrets { kKept, kDropped };
std::string format_url_query(const std::vector<StoreParameter>& parameters,
                             const StoreValues& values, UrlSecrets secrets);

// "true", "1", "t", "yes", "on" and their opposites in any case.
Result<bool> parse_switch_value(std::string_view name, std::string_view value);
// Digits alone, at most `max`.
Result<int64_t> parse_count_value(std::string_view name, std::string_view value, int64_t min,
                                  int64_t max);
// Bytes, or with KB, MB, GB (powers of 1000), KiB, MiB, GiB (powers of 1024) behind.
Result<int64_t> parse_bytes_value(std::string_view name, std::string_view value, int64_t min,
                                  int64_t max);

// "a//b/./../c/" -> "a/c": no empty, "." and ".." parts, no slash at either end.
std::string clean_object_prefix(std::string_view path);

}  // namespace litestream
