#include "ext/config/environment.h"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>

namespace litestream {
namespace {

bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// The shell's one-character variables.
bool is_special(char c) {
  return (c >= '0' && c <= '9') || std::string_view("*#$@!?-").find(c) != std::string_view::npos;
}

struct Reference {
  std::string_view name;  // empty: not a variable
  size_t length = 0;      // bytes after the '$' that go away
};

// `rest` is what follows a '$'; not empty.
Reference read_reference(std::string_view rest) {
  if (rest[0] == '{') {
    const size_t close = rest.find('}');
    if (close == std::string_view::npos) return {{}, 1};
    return {rest.substr(1, close - 1), close + 1};
  }
  if (is_special(rest[0])) return {rest.substr(0, 1), 1};
  size_t length = 0;
  while (length < rest.size() && is_name_char(rest[length])) ++length;
  return {rest.substr(0, length), length};
}

}  // namespace

EnvLookup process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = ::secure_getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return value;
  };
}

ExpandedText expand_environment(std::string_view text, const EnvLookup& lookup) {
  ExpandedText out;
  if (!lookup) {
    out.text = text;
    return out;
  }
  int line = 1;
  for (size_t at = 0; at < text.size();) {
    const char c = text[at++];
    if (c != '$' || at == text.size()) {
      out.text += c;
      if (c == '\n') ++line;
      continue;
    }
    const Reference reference = read_reference(text.substr(at));
    at += reference.length;
    if (reference.length == 0) out.text += c;
    if (reference.name.empty()) continue;
    const std::string name(reference.name);
    std::optional<std::string> value = name == "PID" ? std::to_string(::getpid()) : lookup(name);
    out.variables.push_back({line, name, value.has_value()});
    // Lines are counted in the result: that is what the parser will see.
    if (value) line += static_cast<int>(std::count(value->begin(), value->end(), '\n'));
    out.text += value.value_or("");
  }
  return out;
}

}  // namespace litestream
