// `$VAR` and `${VAR}` in a configuration, replaced before it is parsed.
// Threading: pure but for process_environment, which reads the environment as getenv does.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace litestream {

// The value of a variable, or nothing. An empty function: leave the text as it is.
using EnvLookup = std::function<std::optional<std::string>(const std::string& name)>;

// The process's environment; nothing in a setuid program.
EnvLookup process_environment();

struct ExpandedText {
  std::string text;
  // What was replaced, and where in the result (lines from 1): for messages about empty values, and
  // to tell where a value came from.
  struct Variable {
    int line = 0;
    std::string name;
    bool is_set = false;  // else it was replaced by nothing
  };
  std::vector<Variable> variables;
};

// Go's os.Expand, as Litestream uses it: an unknown variable becomes nothing, $PID the process's
// id, "${}" and an unclosed "${" vanish, "$" before anything else stays. The result may be longer
// than any limit: check it.
ExpandedText expand_environment(std::string_view text, const EnvLookup& lookup);

}  // namespace litestream
