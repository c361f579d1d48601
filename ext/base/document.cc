#include "ext/base/document.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <map>
#include <sstream>
#include <utility>

#include "ext/base/limits.h"

namespace litestream {
namespace {

Status error_at(const std::string& name, int line, const std::string& why) {
  return invalid_argument(name + ":" + std::to_string(line) + ": " + why);
}

size_t count_nodes(const DocumentNode& node) {
  size_t count = 1;
  for (const DocumentNode& item : node.items) count += count_nodes(item);
  return count;
}

size_t depth_of(const DocumentNode& node) {
  size_t depth = 0;
  for (const DocumentNode& item : node.items) depth = std::max(depth, depth_of(item));
  return depth + 1;
}

// Builds the tree from the parser's events. After the first error it ignores what still comes: the
// parser bounds its own recursion.
class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(const std::string& name) : name_(name) {}

  const Status& status() const { return status_; }
  DocumentNode take_root() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++document_count_ > 1) fail(mark.line + 1, "a second document; only one is read");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add_leaf(node_at(mark), anchor);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    DocumentNode node = node_at(mark);
    node.kind = DocumentNode::Kind::kScalar;
    node.quoted = tag == "!" || tag == "tag:yaml.org,2002:str";
    node.scalar = value;
    if (!node.quoted) check_tag(mark, tag);
    add_leaf(std::move(node), anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchored_.find(anchor);
    if (found == anchored_.end()) return fail(mark.line + 1, "an alias of what contains it");
    if (!count(count_nodes(found->second), mark.line + 1)) return;
    if (open_.size() + depth_of(found->second) > kDocumentDepthMax) return too_deep(mark.line + 1);
    DocumentNode copy = found->second;
    copy.line = mark.line + 1;
    add(std::move(copy));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, DocumentNode::Kind::kSequence);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, DocumentNode::Kind::kMap);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    DocumentNode node;
    YAML::anchor_t anchor = YAML::NullAnchor;
    bool has_key = false;  // maps: the key of the next value was read
    std::string key;
    int key_line = 0;
    std::map<std::string, int> key_lines;
  };

  static DocumentNode node_at(const YAML::Mark& mark) {
    DocumentNode node;
    node.line = mark.line + 1;
    return node;
  }
  void fail(int line, const std::string& why) {
    if (status_.ok()) status_ = error_at(name_, line, why);
  }
  void too_deep(int line) {
    fail(line, "nested more than " + std::to_string(kDocumentDepthMax) + " levels deep");
  }
  void check_tag(const YAML::Mark& mark, const std::string& tag) {
    if (!tag.empty() && tag != "?" && tag != "!") fail(mark.line + 1, "tags are not supported");
  }
  bool count(size_t node_count, int line) {
    node_count_ += node_count;
    if (node_count_ <= kDocumentNodesMax) return true;
    fail(line, "more than " + std::to_string(kDocumentNodesMax) + " values, aliases counted");
    return false;
  }

  void add_leaf(DocumentNode node, YAML::anchor_t anchor) {
    if (!status_.ok() || !count(1, node.line)) return;
    remember(anchor, node);
    add(std::move(node));
  }
  void remember(YAML::anchor_t anchor, const DocumentNode& node) {
    if (anchor == YAML::NullAnchor || !count(count_nodes(node), node.line)) return;
    anchored_[anchor] = node;
  }
  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
            DocumentNode::Kind kind) {
    if (!status_.ok() || !count(1, mark.line + 1)) return;
    check_tag(mark, tag);
    if (open_.size() >= kDocumentDepthMax) return too_deep(mark.line + 1);
    Open opened;
    opened.node = node_at(mark);
    opened.node.kind = kind;
    opened.anchor = anchor;
    open_.push_back(std::move(opened));
  }
  void close() {
    if (!status_.ok()) return;
    Open closed = std::move(open_.back());
    open_.pop_back();
    remember(closed.anchor, closed.node);
    if (status_.ok()) add(std::move(closed.node));
  }
  // Puts a finished node where it belongs: as root, item, key or value.
  void add(DocumentNode node) {
    if (!status_.ok()) return;
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = open_.back();
    if (parent.node.kind == DocumentNode::Kind::kMap) {
      if (!parent.has_key) return take_key(parent, std::move(node));
      node.key = std::move(parent.key);
      node.key_line = parent.key_line;
      parent.has_key = false;
    }
    parent.node.items.push_back(std::move(node));
  }
  void take_key(Open& parent, DocumentNode node) {
    if (node.kind != DocumentNode::Kind::kScalar) return fail(node.line, "a key must be a word");
    const auto [first, is_new] = parent.key_lines.emplace(node.scalar, node.line);
    if (!is_new) {
      return fail(node.line, "key '" + node.scalar + "' appears twice (first on line " +
                                 std::to_string(first->second) + ")");
    }
    parent.has_key = true;
    parent.key = std::move(node.scalar);
    parent.key_line = node.line;
  }

  const std::string& name_;
  Status status_;
  DocumentNode root_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, DocumentNode> anchored_;
  size_t node_count_ = 0;
  int document_count_ = 0;
};

// Bytes of the UTF-8 sequence at the front of `text`; 0 if it is none, or a zero byte.
size_t utf8_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return lead == 0 ? 0 : 1;
  const size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  if (lead == 0xE0 && byte(1) < 0xA0) return 0;   // overlong
  if (lead == 0xED && byte(1) >= 0xA0) return 0;  // surrogates
  if (lead == 0xF0 && byte(1) < 0x90) return 0;   // overlong
  if (lead == 0xF4 && byte(1) >= 0x90) return 0;  // beyond U+10FFFF
  return length;
}

// The library would replace wrong bytes silently, and with them the names of files.
Status check_text(std::string_view text, const std::string& name) {
  if (text.size() > kConfigBytesMax) {
    return error_at(name, 1, "longer than " + std::to_string(kConfigBytesMax) + " bytes");
  }
  int line = 1;
  for (size_t at = 0; at < text.size();) {
    const size_t length = utf8_length(text.substr(at));
    if (length == 0) return error_at(name, line, "not UTF-8 text");
    if (text[at] == '\n') ++line;
    at += length;
  }
  return {};
}

}  // namespace

Result<DocumentNode> parse_document(std::string_view text, const std::string& name) {
  LS_RETURN_IF_ERROR(check_text(text, name));
  TreeBuilder builder(name);
  try {
    // The library takes the rest of a text for the end of a quoted scalar that is never closed. A
    // document end is where it objects.
    std::string closed(text);
    if (!closed.empty() && closed.back() != '\n') closed += '\n';
    if (!closed.empty()) closed += "...\n";
    std::istringstream stream(std::move(closed));
    YAML::Parser parser(stream);
    while (builder.status().ok() && parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& e) {
    // What the builder refused before comes first in the text.
    LS_RETURN_IF_ERROR(builder.status());
    const bool never_closed = e.msg == YAML::ErrorMsg::DOC_IN_SCALAR;
    return error_at(name, e.mark.is_null() ? 1 : e.mark.line + 1,
                    never_closed ? "a quote before this line is not closed" : e.msg);
  } catch (const std::exception& e) {
    return internal_error(name + ": " + e.what());
  }
  LS_RETURN_IF_ERROR(builder.status());
  DocumentNode root = builder.take_root();
  if (root.line == 0) root.line = 1;
  return root;
}

const DocumentNode* find_value(const DocumentNode& map, std::string_view key) {
  if (map.kind != DocumentNode::Kind::kMap) return nullptr;
  for (const DocumentNode& value : map.items) {
    if (value.key == key) return &value;
  }
  return nullptr;
}

}  // namespace litestream
