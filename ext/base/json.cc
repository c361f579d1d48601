#include "ext/base/json.h"

#include <cstdint>
#include <utility>

#include "ext/base/hex.h"
#include "ext/base/limits.h"

namespace litestream {
namespace {

constexpr char kHex[] = "0123456789abcdef";

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Checks JSON syntax and writes the same document as the plainest YAML. YAML reads every JSON
// document but for surrogate pairs, which become one \U escape; it also reads much that is not
// JSON, which is why the syntax is checked here.
class JsonToYaml {
 public:
  explicit JsonToYaml(std::string_view text) : text_(text) {}

  Result<std::string> convert() {
    skip_space();
    LS_RETURN_IF_ERROR(value(0));
    skip_space();
    if (at_ != text_.size()) return error("nothing more");
    return std::move(out_);
  }

 private:
  Status error(const std::string& expected) const {
    return invalid_argument("JSON: expected " + expected + " at byte " + std::to_string(at_ + 1));
  }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void skip_space() {
    while (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r') ++at_;
  }

  Status value(size_t depth) {
    if (depth >= kDocumentDepthMax) return error("less nesting");
    const char c = peek();
    if (c == '{') return object(depth);
    if (c == '[') return array(depth);
    if (c == '"') return string();
    if (c == '-' || is_digit(c)) return number();
    for (const std::string_view word : {"true", "false", "null"}) {
      if (!text_.substr(at_).starts_with(word)) continue;
      at_ += word.size();
      out_ += word;
      return {};
    }
    return error("a value");
  }
  Status object(size_t depth) {
    ++at_;
    out_ += '{';
    skip_space();
    if (take('}')) return end('}');
    do {
      skip_space();
      if (peek() != '"') return error("a key in double quotes");
      LS_RETURN_IF_ERROR(string());
      skip_space();
      if (!take(':')) return error("':'");
      out_ += ": ";
      skip_space();
      LS_RETURN_IF_ERROR(value(depth + 1));
      skip_space();
    } while (more());
    if (!take('}')) return error("',' or '}'");
    return end('}');
  }
  Status array(size_t depth) {
    ++at_;
    out_ += '[';
    skip_space();
    if (take(']')) return end(']');
    do {
      skip_space();
      LS_RETURN_IF_ERROR(value(depth + 1));
      skip_space();
    } while (more());
    if (!take(']')) return error("',' or ']'");
    return end(']');
  }
  bool more() {
    if (!take(',')) return false;
    out_ += ", ";
    return true;
  }
  Status end(char bracket) {
    out_ += bracket;
    return {};
  }
  Status number() {
    const size_t start = at_;
    take('-');
    if (!take('0') && !digits()) return error("a digit");
    if (take('.') && !digits()) return error("a digit");
    if (take('e') || take('E')) {
      if (!take('+')) take('-');
      if (!digits()) return error("a digit");
    }
    out_ += text_.substr(start, at_ - start);
    return {};
  }
  bool digits() {
    const size_t start = at_;
    while (is_digit(peek())) ++at_;
    return at_ > start;
  }
  Status string() {
    ++at_;
    out_ += '"';
    while (at_ < text_.size() && text_[at_] != '"') {
      const char c = text_[at_];
      if (static_cast<uint8_t>(c) < 0x20) return error("control characters escaped");
      ++at_;
      if (c == '\\') {
        LS_RETURN_IF_ERROR(escape());
      } else {
        out_ += c;
      }
    }
    if (!take('"')) return error("'\"'");
    out_ += '"';
    return {};
  }
  Status escape() {
    const char c = peek();
    if (c == 'u') return unicode_escape();
    if (c == '\0' || std::string_view("\"\\/bfnrt").find(c) == std::string_view::npos) {
      return error("an escape of JSON's");
    }
    ++at_;
    if (c != '/') out_ += '\\';
    out_ += c;
    return {};
  }
  Status unicode_escape() {
    LS_ASSIGN_OR_RETURN(uint32_t code, hex_unit());
    if (code == 0) return error("no zero character");
    if (code >= 0xDC00 && code <= 0xDFFF) return error("the first half of a surrogate pair");
    if (code >= 0xD800 && code <= 0xDBFF) {
      if (!take('\\') || peek() != 'u') return error("the second half of a surrogate pair");
      LS_ASSIGN_OR_RETURN(const uint32_t low, hex_unit());
      if (low < 0xDC00 || low > 0xDFFF) return error("the second half of a surrogate pair");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    out_ += "\\U";
    for (int shift = 28; shift >= 0; shift -= 4) out_ += kHex[(code >> shift) & 15];
    return {};
  }
  // "uXXXX"
  Result<uint32_t> hex_unit() {
    ++at_;
    uint32_t unit = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const int digit = hex_value(peek());
      if (digit < 0) return error("four hex digits");
      unit = unit * 16 + static_cast<uint32_t>(digit);
    }
    return unit;
  }

  std::string_view text_;
  size_t at_ = 0;
  std::string out_;
};

JsonScalar json_scalar(const DocumentNode& node) {
  if (node.kind == DocumentNode::Kind::kNull) return {JsonScalar::Kind::kNull, "null", false};
  if (node.quoted) return {JsonScalar::Kind::kString, node.scalar, false};
  if (node.scalar == "true") return {JsonScalar::Kind::kBool, node.scalar, true};
  if (node.scalar == "false") return {JsonScalar::Kind::kBool, node.scalar, false};
  return {JsonScalar::Kind::kNumber, node.scalar, false};
}

}  // namespace

Result<DocumentNode> parse_json(std::string_view text) {
  if (text.size() > kOptionsJsonBytesMax) {
    return invalid_argument("JSON: longer than " + std::to_string(kOptionsJsonBytesMax) + " bytes");
  }
  LS_ASSIGN_OR_RETURN(const std::string yaml, JsonToYaml(text).convert());
  return parse_document(yaml, "JSON");
}

Result<std::map<std::string, JsonScalar>> parse_flat_json_object(std::string_view text) {
  LS_ASSIGN_OR_RETURN(const DocumentNode root, parse_json(text));
  if (root.kind != DocumentNode::Kind::kMap) return invalid_argument("JSON: expected an object");
  std::map<std::string, JsonScalar> object;
  for (const DocumentNode& value : root.items) {
    if (value.kind == DocumentNode::Kind::kMap || value.kind == DocumentNode::Kind::kSequence) {
      return invalid_argument("JSON: '" + value.key + "' must be a single value");
    }
    object.emplace(value.key, json_scalar(value));
  }
  return object;
}

std::string json_quote(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7F) {
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  out += '"';
  return out;
}

}  // namespace litestream
