#include "ext/store/store_spec.h"

#include <stdlib.h>

#include <algorithm>
#include <charconv>

namespace litestream {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// "part-size", "partSize" and "PartSize" are the same to this.
std::string squashed(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c != '-') out += lower(c);
  }
  return out;
}

const StoreParameter* find_parameter(const std::vector<StoreParameter>& parameters,
                                     std::string_view name, bool is_url) {
  for (const StoreParameter& parameter : parameters) {
    if (parameter.name == name) return &parameter;
    // Only camel case has another spelling: "part_size" and "PARTSIZE" are unknown.
    const bool is_camel = name.find('-') == std::string_view::npos && !name.empty() &&
                          name.front() >= 'a' && name.front() <= 'z';
    if (is_url && is_camel && squashed(parameter.name) == squashed(name)) return &parameter;
  }
  return nullptr;
}

std::string names_of(const std::vector<StoreParameter>& parameters, bool is_url) {
  std::string names;
  for (const StoreParameter& parameter : parameters) {
    if (is_url && !parameter.in_url) continue;
    names += (names.empty() ? "" : ", ") + std::string(parameter.name);
  }
  return names;
}

const std::string* find_in(const Pairs& pairs, std::string_view name) {
  for (const auto& [key, value] : pairs) {
    if (key == name) return &value;
  }
  return nullptr;
}

Status bad_value(std::string_view name, std::string_view what) {
  return invalid_argument("'" + std::string(name) + "' " + std::string(what));
}

}  // namespace

StoreEnvironment secure_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = ::secure_getenv(name.c_str());
    if (value == nullptr || *value == '\0') return std::nullopt;
    return value;
  };
}

const std::string* StoreValues::find(std::string_view name) const& {
  const std::string* setting = find_in(from_settings, name);
  return setting != nullptr ? setting : find_in(from_url, name);
}

bool StoreValues::is_set_beside_url(std::string_view name) const {
  return find_in(from_settings, name) != nullptr;
}

Result<StoreValues> collect_values(std::string_view type,
                                   const std::vector<StoreParameter>& parameters,
                                   const Pairs& url_query, const Pairs& settings) {
  StoreValues values;
  const auto collect = [&](const Pairs& given, bool is_url, Pairs* out) -> Status {
    const std::string place = is_url ? " in the " + std::string(type) + " URL"
                                     : " of a replica of type " + std::string(type);
    for (const auto& [name, value] : given) {
      const std::string shown = "'" + name.substr(0, 64) + "'";
      const StoreParameter* parameter = find_parameter(parameters, name, is_url);
      if (parameter == nullptr) {
        return invalid_argument("unknown parameter " + shown + place +
                                "; known: " + names_of(parameters, is_url));
      }
      if (is_url && !parameter->in_url) {
        return invalid_argument(shown +
                                " does not belong into a URL; set it in litestream.yml, "
                                "in the options, or in the environment");
      }
      if (find_in(*out, parameter->name) != nullptr) {
        return invalid_argument(shown + " is given twice" + place);
      }
      if (value.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
        return invalid_argument(shown + " holds a line break");
      }
      out->emplace_back(parameter->name, value);
    }
    return {};
  };
  LS_RETURN_IF_ERROR(collect(url_query, true, &values.from_url));
  LS_RETURN_IF_ERROR(collect(settings, false, &values.from_settings));
  return values;
}

std::string format_url_query(const std::vector<StoreParameter>& parameters,
                             const StoreValues& values, UrlSecrets secrets) {
  Pairs shown;
  for (const auto& [name, value] : values.from_url) {
    const StoreParameter* parameter = find_parameter(parameters, name, false);
    const bool is_secret = parameter == nullptr || parameter->is_secret;
    if (is_secret && secrets == UrlSecrets::kDropped) continue;
    shown.emplace_back(name, value);
  }
  std::sort(shown.begin(), shown.end());
  std::string query;
  for (const auto& [name, value] : shown) {
    // ':' and '/' need no encoding in a query, and an endpoint is easier to read with them.
    std::string encoded;
    for (const char c : value) {
      encoded += c == ':' || c == '/' ? std::string(1, c)
                                      : percent_encode(std::string_view(&c, 1), Slashes::kEncoded);
    }
    query += (query.empty() ? "?" : "&") + name + "=" + encoded;
  }
  return query;
}

Result<bool> parse_switch_value(std::string_view name, std::string_view value) {
  std::string word;
  for (const char c : value.substr(0, 8)) word += lower(c);
  for (const char* yes : {"true", "1", "t", "yes", "on"}) {
    if (word == yes) return true;
  }
  for (const char* no : {"false", "0", "f", "no", "off"}) {
    if (word == no) return false;
  }
  return bad_value(name, "is true or false");
}

Result<int64_t> parse_count_value(std::string_view name, std::string_view value, int64_t min,
                                  int64_t max) {
  int64_t count = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), count);
  if (error != std::errc() || end != value.data() + value.size() || value.empty() || count < min ||
      count > max) {
    return bad_value(name,
                     "is a number from " + std::to_string(min) + " to " + std::to_string(max));
  }
  return count;
}

Result<int64_t> parse_bytes_value(std::string_view name, std::string_view value, int64_t min,
                                  int64_t max) {
  const Status bad = bad_value(name, "is a size from " + std::to_string(min) + " to " +
                                         std::to_string(max) + " bytes, for example 16MiB");
  int64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || value.empty()) return bad;
  std::string unit;
  for (const char c : value.substr(static_cast<size_t>(end - value.data()))) {
    if (c != ' ') unit += lower(c);
  }
  constexpr std::pair<std::string_view, int64_t> kUnits[] = {{"", 1},
                                                             {"b", 1},
                                                             {"kb", 1000},
                                                             {"mb", 1'000'000},
                                                             {"gb", 1'000'000'000},
                                                             {"kib", int64_t{1} << 10},
                                                             {"mib", int64_t{1} << 20},
                                                             {"gib", int64_t{1} << 30}};
  for (const auto& [known, bytes] : kUnits) {
    if (unit != known) continue;
    int64_t total = 0;
    if (__builtin_mul_overflow(number, bytes, &total) || total < min || total > max) return bad;
    return total;
  }
  return bad;
}

std::string clean_object_prefix(std::string_view path) {
  std::vector<std::string_view> parts;
  for (size_t at = 0; at < path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    const std::string_view part = path.substr(at, end - at);
    at = end + 1;
    if (part == "..") {
      if (!parts.empty()) parts.pop_back();
    } else if (!part.empty() && part != ".") {
      parts.push_back(part);
    }
  }
  std::string clean;
  for (const std::string_view part : parts) {
    clean += (clean.empty() ? "" : "/") + std::string(part);
  }
  return clean;
}

}  // namespace litestream
