// What the tests of litestream.yml share: parsing with a small environment, and what went wrong.
#pragma once

#include <catch2/catch.hpp>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "ext/config/litestream_yml.h"

namespace litestream::test {

inline const EnvLookup& config_environment() {
  static const EnvLookup env = [](const std::string& name) -> std::optional<std::string> {
    static const std::map<std::string, std::string> values = {
        {"HOME", "/home/me"}, {"DB", "/data/env.db"}, {"EMPTY", ""}};
    const auto found = values.find(name);
    if (found == values.end()) return std::nullopt;
    return found->second;
  };
  return env;
}

inline Config parsed(std::string_view text) {
  auto config = parse_config(text, "litestream.yml", config_environment());
  INFO(text << "\n-> " << config.status().message());
  REQUIRE(config.ok());
  return std::move(config).value();
}

// The message without "litestream.yml:".
inline std::string message_of(std::string_view text, StatusCode code) {
  const auto config = parse_config(text, "litestream.yml", config_environment());
  INFO(text << "\n-> " << config.status().message());
  REQUIRE_FALSE(config.ok());
  REQUIRE(config.status().code() == code);
  REQUIRE(config.status().message().starts_with("litestream.yml:"));
  return config.status().message().substr(15);
}

// Wrong input, and input that is right and cannot be obeyed.
inline std::string error_of(std::string_view text) {
  return message_of(text, StatusCode::kInvalidArgument);
}
inline std::string unsupported_of(std::string_view text) {
  return message_of(text, StatusCode::kUnsupported);
}

// A database on line 2, its replica on lines 3 and 4, and lines to add to either.
inline std::string one_database(const std::string& database_line,
                                const std::string& replica_line = "") {
  std::string text = "dbs:\n  - path: /d\n    replica:\n      url: file:///r\n";
  if (!replica_line.empty()) text += "      " + replica_line + "\n";
  if (!database_line.empty()) text += "    " + database_line + "\n";
  return text;
}

inline std::string setting(const Config& config, std::string_view key) {
  const ProgramSetting* found = find_setting(config.settings, key);
  REQUIRE(found != nullptr);
  return found->text;
}

}  // namespace litestream::test
