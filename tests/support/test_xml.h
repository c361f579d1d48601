// The little XML that object stores speak: reads small documents strictly, writes text safely.
// Threading: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace litestream::test {

// Every element without children as (path of names joined with '/', unescaped text), in document
// order; elements with children and no text of their own appear with an empty text when they open,
// so that repeated groups can be told apart. Nullopt if the document is not well-formed or uses
// anything but a declaration, elements, attributes and the five entities.
using XmlLeaves = std::vector<std::pair<std::string, std::string>>;
std::optional<XmlLeaves> parse_xml(std::string_view text);

std::string xml_escape(std::string_view text);
// <name>escaped text</name>
std::string xml_element(std::string_view name, std::string_view text);

}  // namespace litestream::test
