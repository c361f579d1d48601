#include "ext/store/xml.h"

#include <charconv>
#include <cstdint>

namespace litestream {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

bool is_name_char(char c) {
  const auto byte = static_cast<uint8_t>(c);
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.' || c == ':' || byte >= 0x80;
}

void append_utf8(uint32_t code, std::string* out) {
  if (code < 0x80) {
    *out += static_cast<char>(code);
    return;
  }
  if (code < 0x800) {
    *out += static_cast<char>(0xC0 | (code >> 6));
  } else {
    if (code < 0x10000) {
      *out += static_cast<char>(0xE0 | (code >> 12));
    } else {
      *out += static_cast<char>(0xF0 | (code >> 18));
      *out += static_cast<char>(0x80 | ((code >> 12) & 0x3F));
    }
    *out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
  }
  *out += static_cast<char>(0x80 | (code & 0x3F));
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<XmlElement> run() {
    if (text_.size() > kXmlBytesMax) return corrupt("XML of more than 16 MiB");
    if (starts_with("\xEF\xBB\xBF")) at_ += 3;
    LS_RETURN_IF_ERROR(skip_outside());
    XmlElement root;
    LS_RETURN_IF_ERROR(parse_element(&root, 1));
    LS_RETURN_IF_ERROR(skip_outside());
    if (at_ != text_.size()) return bad("text after the root element");
    return root;
  }

 private:
  Status bad(std::string_view what) const {
    return corrupt("XML at byte " + std::to_string(at_) + ": " + std::string(what));
  }
  bool starts_with(std::string_view prefix) const {
    return text_.substr(at_, prefix.size()) == prefix;
  }
  void skip_space() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }
  // Moves behind the next `stop`.
  Status skip_past(std::string_view stop) {
    const size_t found = text_.find(stop, at_);
    if (found == std::string_view::npos) return bad("cut short");
    at_ = found + stop.size();
    return {};
  }
  // White space, comments, processing instructions (the XML declaration is one).
  Status skip_outside() {
    while (true) {
      skip_space();
      if (starts_with("<?")) {
        LS_RETURN_IF_ERROR(skip_past("?>"));
      } else if (starts_with("<!--")) {
        LS_RETURN_IF_ERROR(skip_past("-->"));
      } else {
        return {};
      }
    }
  }

  std::string_view read_name() {
    const size_t begin = at_;
    while (at_ < text_.size() && is_name_char(text_[at_])) ++at_;
    return text_.substr(begin, at_ - begin);
  }

  // Behind the element's name: attributes, then '>' or '/>'.
  Status parse_attributes(bool* is_empty) {
    while (true) {
      const size_t before = at_;
      skip_space();
      if (starts_with("/>")) {
        at_ += 2;
        *is_empty = true;
        return {};
      }
      if (starts_with(">")) {
        ++at_;
        return {};
      }
      if (at_ == before || read_name().empty()) return bad("malformed tag");
      skip_space();
      if (!starts_with("=")) return bad("attribute without value");
      ++at_;
      skip_space();
      if (!starts_with("\"") && !starts_with("'")) return bad("attribute value without quotes");
      const std::string_view quote = text_.substr(at_++, 1);
      LS_RETURN_IF_ERROR(skip_past(quote));
    }
  }

  Status parse_element(XmlElement* element, size_t depth) {
    if (depth > kXmlDepthMax) return bad("nested too deeply");
    if (++element_count_ > kXmlElementsMax) return bad("too many elements");
    if (!starts_with("<")) return bad(at_ < text_.size() ? "expected an element" : "cut short");
    ++at_;
    const std::string_view name = read_name();
    if (name.empty()) return bad("malformed tag");
    // Unqualified: the namespaces of object stores tell nothing that the names do not.
    element->name = name.substr(name.rfind(':') + 1);
    bool is_empty = false;
    LS_RETURN_IF_ERROR(parse_attributes(&is_empty));
    if (is_empty) return {};
    LS_RETURN_IF_ERROR(parse_content(element, depth));
    at_ += 2;
    if (read_name() != name) return bad("closing tag of another element");
    skip_space();
    if (!starts_with(">")) return bad("malformed closing tag");
    ++at_;
    return {};
  }

  // Up to, not including, "</".
  Status parse_content(XmlElement* element, size_t depth) {
    while (!starts_with("</")) {
      if (at_ >= text_.size()) return bad("cut short");
      if (starts_with("<![CDATA[")) {
        const size_t begin = at_ + 9;
        LS_RETURN_IF_ERROR(skip_past("]]>"));
        element->text += text_.substr(begin, at_ - 3 - begin);
      } else if (starts_with("<!--")) {
        LS_RETURN_IF_ERROR(skip_past("-->"));
      } else if (starts_with("<?")) {
        LS_RETURN_IF_ERROR(skip_past("?>"));
      } else if (starts_with("<")) {
        LS_RETURN_IF_ERROR(parse_element(&element->children.emplace_back(), depth + 1));
      } else if (starts_with("&")) {
        LS_RETURN_IF_ERROR(parse_reference(&element->text));
      } else {
        const size_t end = std::min(text_.find_first_of("<&", at_), text_.size());
        element->text += text_.substr(at_, end - at_);
        at_ = end;
      }
    }
    return {};
  }

  // "&amp;", "&#38;", "&#x26;".
  Status parse_reference(std::string* out) {
    constexpr size_t kReferenceBytesMax = 12;
    const size_t end = text_.substr(at_, kReferenceBytesMax).find(';');
    if (end == std::string_view::npos) return bad("malformed reference");
    const std::string_view name = text_.substr(at_ + 1, end - 1);
    if (name.starts_with('#')) {
      const bool is_hex = name.substr(1).starts_with('x');
      const std::string_view digits = name.substr(is_hex ? 2 : 1);
      uint32_t code = 0;
      const auto [stop, error] =
          std::from_chars(digits.data(), digits.data() + digits.size(), code, is_hex ? 16 : 10);
      const bool is_surrogate = code >= 0xD800 && code <= 0xDFFF;
      if (error != std::errc() || stop != digits.data() + digits.size() || code == 0 ||
          code > 0x10FFFF || is_surrogate) {
        return bad("malformed character reference");
      }
      append_utf8(code, out);
    } else if (name == "amp") {
      *out += '&';
    } else if (name == "lt") {
      *out += '<';
    } else if (name == "gt") {
      *out += '>';
    } else if (name == "quot") {
      *out += '"';
    } else if (name == "apos") {
      *out += '\'';
    } else {
      return bad("unknown entity");
    }
    at_ += end + 1;
    return {};
  }

  const std::string_view text_;
  size_t at_ = 0;
  size_t element_count_ = 0;
};

}  // namespace

const XmlElement* XmlElement::child(std::string_view child_name) const& {
  for (const XmlElement& candidate : children) {
    if (candidate.name == child_name) return &candidate;
  }
  return nullptr;
}

std::string_view XmlElement::child_text(std::string_view child_name) const& {
  const XmlElement* found = child(child_name);
  return found == nullptr ? std::string_view() : std::string_view(found->text);
}

Result<XmlElement> parse_xml(std::string_view text) { return Parser(text).run(); }

std::string xml_escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (static_cast<uint8_t>(c) < 0x20) {
      out += "&#" + std::to_string(static_cast<uint8_t>(c)) + ";";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace litestream
