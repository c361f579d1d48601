// Command line flags as Go programs take them: `-flag value`, `-flag=value`, also with two dashes;
// flags and other arguments in any order; `--` ends the flags.
// Threading: values.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ext/base/status.h"

namespace litestream {

enum class FlagKind {
  kValue,
  kSwitch,  // `-json`, `-json=false`
};

struct FlagSpec {
  const char* name;
  FlagKind kind;
};

class ParsedArgs {
 public:
  const std::vector<std::string>& positionals() const { return positionals_; }
  bool has(std::string_view flag) const { return values_.find(flag) != values_.end(); }
  // "" if the flag was not given.
  std::string value(std::string_view flag) const;
  bool is_on(std::string_view flag) const { return value(flag) == "true"; }

 private:
  friend Result<ParsedArgs> parse_args(std::span<const FlagSpec> specs,
                                       std::span<const std::string> arguments);
  std::map<std::string, std::string, std::less<>> values_;
  std::vector<std::string> positionals_;
};

// InvalidArgument: unknown flag, missing or wrong value. A flag given twice: the last one counts.
// `-h`, `-help` are always known and set the switch "help".
Result<ParsedArgs> parse_args(std::span<const FlagSpec> specs,
                              std::span<const std::string> arguments);

// The flag as a whole number; `fallback` if it was not given. InvalidArgument names flag and range.
Result<int64_t> flag_number(const ParsedArgs& args, std::string_view flag, int64_t fallback,
                            int64_t min, int64_t max);

}  // namespace litestream
