#include "tests/layering/source_text.h"

#include <cctype>
#include <regex>

namespace litestream::layering {
namespace {

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// Blanks source characters while copying; line breaks stay, so that line numbers stay.
class Stripper {
 public:
  explicit Stripper(std::string_view source) : source_(source), out_(source) {}

  std::string run() {
    while (at_ < source_.size()) step();
    return std::move(out_);
  }

 private:
  bool starts_with(std::string_view prefix) const {
    return source_.substr(at_, prefix.size()) == prefix;
  }
  void blank_until(size_t end) {
    for (; at_ < end && at_ < source_.size(); ++at_) {
      if (out_[at_] != '\n') out_[at_] = ' ';
    }
  }
  // The position after `stop`, or the end of the text.
  size_t after(std::string_view stop, size_t from) const {
    const size_t found = source_.find(stop, from);
    return found == std::string_view::npos ? source_.size() : found + stop.size();
  }

  void step() {
    if (starts_with("//")) return blank_until(source_.find('\n', at_));
    if (starts_with("/*")) return blank_until(after("*/", at_ + 2));
    const bool in_word = at_ > 0 && is_word(source_[at_ - 1]);
    if (!in_word && starts_with("R\"")) return strip_raw();
    if (source_[at_] == '"' && !on_include_line()) return strip_quoted('"');
    // A quote after a word is a digit separator: 60'000.
    if (source_[at_] == '\'' && !in_word) return strip_quoted('\'');
    ++at_;
  }

  void strip_raw() {
    const size_t open = source_.find('(', at_);
    if (open == std::string_view::npos) return blank_until(source_.size());
    const std::string stop = ")" + std::string(source_.substr(at_ + 2, open - at_ - 2)) + "\"";
    blank_until(after(stop, open));
  }

  void strip_quoted(char quote) {
    size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote && source_[end] != '\n') {
      end += source_[end] == '\\' ? 2 : 1;
    }
    blank_until(end + 1);
  }

  bool on_include_line() const {
    const size_t line = at_ == 0 ? 0 : source_.rfind('\n', at_ - 1) + 1;
    return source_.substr(line, 8) == "#include";
  }

  std::string_view source_;
  std::string out_;
  size_t at_ = 0;
};

enum class Scope { kNamespace, kType, kFunction, kOther };

struct OpenBrace {
  Scope scope;
  std::string name;
  size_t line;
};

// What the text between the last ; { } and an opening brace announces.
Scope classify(const std::string& raw_head, std::string& name) {
  static const std::regex kAccessLabel(R"(\b(public|protected|private)\s*:)");
  static const std::regex kNamespaceHead(R"(^\s*(inline\s+)?namespace\b|^\s*extern\s*$)");
  static const std::regex kTypeHead(
      R"(^\s*(template\s*<[^{]*>\s*)?(typedef\s+)?(class|struct|union|enum)\b)");
  static const std::regex kInitializer(R"(=\s*(\{\s*)?$|\breturn\s*$)");
  const std::string head = std::regex_replace(raw_head, kAccessLabel, "");
  if (std::regex_search(head, kNamespaceHead)) return Scope::kNamespace;
  const size_t parameters = head.find('(');
  if (parameters == std::string::npos) {
    return std::regex_search(head, kTypeHead) ? Scope::kType : Scope::kOther;
  }
  if (std::regex_search(head, kInitializer)) return Scope::kOther;
  size_t end = parameters;
  while (end > 0 && std::isspace(static_cast<unsigned char>(head[end - 1])) != 0) --end;
  size_t begin = end;
  while (begin > 0 &&
         (is_word(head[begin - 1]) || head[begin - 1] == ':' || head[begin - 1] == '~')) {
    --begin;
  }
  name = head.substr(begin, end - begin);
  return Scope::kFunction;
}

std::string without_preprocessor(std::string_view stripped) {
  std::string text(stripped);
  size_t line = 0;
  bool continued = false;
  while (line < text.size()) {
    size_t end = text.find('\n', line);
    if (end == std::string::npos) end = text.size();
    const size_t first = text.find_first_not_of(" \t", line);
    const bool directive = continued || (first < end && text[first] == '#');
    continued = directive && end > line && text[end - 1] == '\\';
    if (directive) text.replace(line, end - line, end - line, ' ');
    line = end + 1;
  }
  return text;
}

}  // namespace

std::string strip_comments_and_literals(std::string_view source) { return Stripper(source).run(); }

std::vector<std::string> split_lines(std::string_view text) {
  std::vector<std::string> lines;
  size_t begin = 0;
  while (begin < text.size()) {
    size_t end = text.find('\n', begin);
    if (end == std::string_view::npos) end = text.size();
    lines.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

std::vector<Include> find_includes(std::string_view source) {
  static const std::regex kInclude(R"re(^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>))re");
  std::vector<Include> includes;
  size_t number = 0;
  for (const std::string& line : split_lines(source)) {
    ++number;
    std::smatch match;
    if (!std::regex_search(line, match, kInclude)) continue;
    const bool is_quoted = match[1].matched;
    includes.push_back({match[is_quoted ? 1 : 2].str(), is_quoted, number});
  }
  return includes;
}

std::vector<Function> find_functions(std::string_view stripped) {
  const std::string text = without_preprocessor(stripped);
  std::vector<Function> functions;
  std::vector<OpenBrace> open;
  std::string head;
  size_t line = 1;
  for (const char c : text) {
    const bool in_code = !open.empty() && (open.back().scope == Scope::kFunction ||
                                           open.back().scope == Scope::kOther);
    if (c == '\n') ++line;
    if (c == '{') {
      OpenBrace brace{Scope::kOther, {}, line};
      if (!in_code) brace.scope = classify(head, brace.name);
      open.push_back(brace);
      head.clear();
    } else if (c == '}') {
      if (!open.empty()) {
        if (open.back().scope == Scope::kFunction) {
          functions.push_back({open.back().name, open.back().line, line - open.back().line + 1});
        }
        open.pop_back();
      }
      head.clear();
    } else if (c == ';') {
      head.clear();
    } else {
      head += c;
    }
  }
  return functions;
}

}  // namespace litestream::layering
