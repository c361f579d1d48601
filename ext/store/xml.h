// A small strict reader for the XML that object stores answer with.
//
// Elements and text only: a document type is refused, attributes are read and dropped, namespace
// prefixes are cut off, comments and processing instructions are skipped. Size, depth and number of
// elements are bounded before anything grows; a document that is cut short is an error.
// Source: XML 1.0 (Fifth Edition), without DTDs.
// Threading: values, pure functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "ext/base/status.h"

namespace litestream {

inline constexpr size_t kXmlBytesMax = 16 << 20;
inline constexpr size_t kXmlDepthMax = 16;
inline constexpr size_t kXmlElementsMax = 200'000;

struct XmlElement {
  std::string name;
  std::string text;  // its own character data, without that of children; entities resolved
  std::vector<XmlElement> children;

  // The first child of that name; nullptr if there is none.
  const XmlElement* child(std::string_view child_name) const&;
  const XmlElement* child(std::string_view child_name) && = delete;
  // Its text; empty if there is no such child.
  std::string_view child_text(std::string_view child_name) const&;
  std::string_view child_text(std::string_view child_name) && = delete;
};

// The root element. Corrupt says what is wrong and at which byte.
Result<XmlElement> parse_xml(std::string_view text);

// `text` with what element content may not hold escaped.
std::string xml_escape(std::string_view text);

}  // namespace litestream
