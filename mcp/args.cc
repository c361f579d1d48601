#include "mcp/args.h"

#include <algorithm>
#include <charconv>

#include "ext/base/nearest.h"

namespace litestream {
namespace {

Result<std::string> switch_value(const std::string& flag, std::string_view text) {
  if (text == "true" || text == "1" || text == "t") return std::string("true");
  if (text == "false" || text == "0" || text == "f") return std::string("false");
  return invalid_argument("-" + flag + " is true or false, not \"" + std::string(text) + "\"");
}

Status unknown_flag(std::span<const FlagSpec> specs, const std::string& name) {
  std::vector<std::string_view> names;
  for (const FlagSpec& spec : specs) names.emplace_back(spec.name);
  const std::string_view nearest = nearest_word(names, name);
  std::string message = "unknown flag -" + name;
  if (!nearest.empty()) message += " (did you mean -" + std::string(nearest) + "?)";
  return invalid_argument(std::move(message));
}

bool is_flag(std::string_view argument) {
  return argument.size() > 1 && argument.starts_with('-');  // "-" alone is an argument
}

}  // namespace

std::string ParsedArgs::value(std::string_view flag) const {
  const auto found = values_.find(flag);
  return found == values_.end() ? "" : found->second;
}

Result<ParsedArgs> parse_args(std::span<const FlagSpec> specs,
                              std::span<const std::string> arguments) {
  ParsedArgs parsed;
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::string_view argument = arguments[i];
    if (argument == "--") {
      parsed.positionals_.insert(parsed.positionals_.end(),
                                 arguments.begin() + static_cast<long>(i) + 1, arguments.end());
      break;
    }
    if (!is_flag(argument)) {
      parsed.positionals_.emplace_back(argument);
      continue;
    }
    argument.remove_prefix(argument.starts_with("--") ? 2 : 1);
    const size_t equals = argument.find('=');
    const std::string name(argument.substr(0, equals));
    if (name == "h" || name == "help") {
      parsed.values_["help"] = "true";
      continue;
    }
    const auto spec = std::find_if(specs.begin(), specs.end(),
                                   [&](const FlagSpec& entry) { return name == entry.name; });
    if (spec == specs.end()) return unknown_flag(specs, name);
    const bool has_value = equals != std::string_view::npos;
    if (spec->kind == FlagKind::kSwitch) {
      LS_ASSIGN_OR_RETURN(parsed.values_[name],
                          switch_value(name, has_value ? argument.substr(equals + 1) : "true"));
    } else if (has_value) {
      parsed.values_[name] = argument.substr(equals + 1);
    } else if (i + 1 < arguments.size()) {
      parsed.values_[name] = arguments[++i];
    } else {
      return invalid_argument("-" + name + " needs a value");
    }
  }
  return parsed;
}

Result<int64_t> flag_number(const ParsedArgs& args, std::string_view flag, int64_t fallback,
                            int64_t min, int64_t max) {
  if (!args.has(flag)) return fallback;
  const std::string text = args.value(flag);
  int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, fault] = std::from_chars(text.data(), end, number);
  if (stop == end && fault == std::errc() && number >= min && number <= max) return number;
  return invalid_argument("-" + std::string(flag) + " is a number from " + std::to_string(min) +
                          " to " + std::to_string(max));
}

}  // namespace litestream
