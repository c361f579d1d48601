#include "tests/support/test_xml.h"

namespace litestream::test {
namespace {

constexpr std::pair<std::string_view, std::string_view> kEntities[] = {
    {"&amp;", "&"}, {"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&apos;", "'"}};

std::optional<std::string> unescape(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    if (text[0] != '&') {
      out += text[0];
      text.remove_prefix(1);
      continue;
    }
    bool is_known = false;
    for (const auto& [entity, value] : kEntities) {
      if (!text.starts_with(entity)) continue;
      out += value;
      text.remove_prefix(entity.size());
      is_known = true;
      break;
    }
    if (!is_known) return std::nullopt;
  }
  return out;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) {}
  std::optional<XmlLeaves> run() {
    skip_blanks();
    if (rest_.starts_with("<?xml")) {
      const size_t end = rest_.find("?>");
      if (end == std::string_view::npos) return std::nullopt;
      rest_.remove_prefix(end + 2);
    }
    skip_blanks();
    if (!element("")) return std::nullopt;
    skip_blanks();
    if (!rest_.empty()) return std::nullopt;
    return leaves_;
  }

 private:
  void skip_blanks() {
    while (!rest_.empty() && std::string_view(" \t\r\n").find(rest_[0]) != std::string_view::npos) {
      rest_.remove_prefix(1);
    }
  }
  bool element(const std::string& parent) {
    const size_t close = rest_.find('>');
    if (!rest_.starts_with('<') || close == std::string_view::npos) return false;
    std::string_view tag = rest_.substr(1, close - 1);
    rest_.remove_prefix(close + 1);
    const bool is_empty = tag.ends_with('/');
    if (is_empty) tag.remove_suffix(1);
    const std::string name(tag.substr(0, tag.find(' ')));
    if (name.empty() || name.find_first_of("/!?&\"") != std::string::npos) return false;
    const std::string path = parent.empty() ? name : parent + "/" + name;
    const size_t at = leaves_.size();
    leaves_.emplace_back(path, "");
    if (is_empty) return true;
    return content(path, at) && end_tag(name);
  }
  bool content(const std::string& path, size_t at) {
    std::string own;
    while (!rest_.starts_with("</")) {
      if (rest_.empty()) return false;
      if (rest_[0] == '<') {
        if (!element(path)) return false;
        continue;
      }
      const std::string_view text = rest_.substr(0, rest_.find('<'));
      const auto plain = unescape(text);
      if (!plain) return false;
      own += *plain;
      rest_.remove_prefix(text.size());
    }
    const bool has_children = leaves_.size() > at + 1;
    if (has_children && own.find_first_not_of(" \t\r\n") != std::string::npos) return false;
    if (!has_children) leaves_[at].second = own;
    return true;
  }
  bool end_tag(const std::string& name) {
    const std::string tag = "</" + name + ">";
    if (!rest_.starts_with(tag)) return false;
    rest_.remove_prefix(tag.size());
    return true;
  }

  std::string_view rest_;
  XmlLeaves leaves_;
};

}  // namespace

std::optional<XmlLeaves> parse_xml(std::string_view text) { return Parser(text).run(); }

std::string xml_escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    std::string_view piece(&c, 1);
    for (const auto& [entity, value] : kEntities) {
      if (piece == value) piece = entity;
    }
    out += piece;
  }
  return out;
}

std::string xml_element(std::string_view name, std::string_view text) {
  const std::string tag(name);
  return "<" + tag + ">" + xml_escape(text) + "</" + tag + ">";
}

}  // namespace litestream::test
