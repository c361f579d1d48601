#include "mcp/table_printer.h"

#include <algorithm>

#include "mcp/json_writer.h"

namespace litestream {
namespace {

constexpr std::string_view kColumnGap = "  ";

std::string cell_text(const SqlValue& value) {
  if (std::holds_alternative<std::nullptr_t>(value)) return "-";
  std::string text = to_valid_utf8(to_text(value));
  std::replace_if(
      text.begin(), text.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, '?');
  return text;
}

// Characters, not bytes; wide characters count as one.
size_t display_width(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

bool is_number(const SqlValue& value) {
  return std::holds_alternative<int64_t>(value) || std::holds_alternative<double>(value);
}

// Bytes of the first `count` characters.
size_t prefix_bytes(std::string_view text, size_t count) {
  size_t at = 0;
  for (; at < text.size(); ++at) {
    const bool begins = (static_cast<unsigned char>(text[at]) & 0xC0) != 0x80;
    if (begins && count-- == 0) break;
  }
  return at;
}

// The beginning and the end of a text that is too long: the end of a path says most.
std::string shortened(const std::string& text, size_t width) {
  const size_t length = display_width(text);
  if (length <= width) return text;
  const size_t front = (width - 1) / 3;
  const size_t back = width - 1 - front;
  return text.substr(0, prefix_bytes(text, front)) + "…" +
         text.substr(prefix_bytes(text, length - back));
}

// Takes from the widest columns of text until the line fits, or they are too narrow to say much.
void fit(std::vector<size_t>& widths, const std::vector<bool>& numeric, size_t width_max) {
  constexpr size_t kWidthMin = 12;
  size_t total = kColumnGap.size() * (widths.size() - 1);
  for (const size_t width : widths) total += width;
  while (total > width_max) {
    size_t* widest = nullptr;
    for (size_t i = 0; i < widths.size(); ++i) {
      if (!numeric[i] && (widest == nullptr || widths[i] > *widest)) widest = &widths[i];
    }
    if (widest == nullptr || *widest <= kWidthMin) return;
    --*widest;
    --total;
  }
}

void append_cell(std::string& out, std::string_view text, size_t width, bool right) {
  const std::string padding(width - std::min(width, display_width(text)), ' ');
  if (right) out += padding;
  out += text;
  if (!right) out += padding;
}

void end_line(std::string& out) {
  out.erase(out.find_last_not_of(' ') + 1);
  out += '\n';
}

void write_value(JsonWriter& writer, const SqlValue& value) {
  if (const auto* integer = std::get_if<int64_t>(&value)) {
    writer.integer(*integer);
  } else if (const auto* real = std::get_if<double>(&value)) {
    writer.real(*real);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    writer.string(*text);
  } else {
    writer.null();
  }
}

}  // namespace

std::string format_table(const SqlRows& rows, size_t width_max) {
  std::vector<size_t> widths;
  std::vector<bool> numeric(rows.columns.size(), false);
  for (const std::string& column : rows.columns) widths.push_back(display_width(column));
  for (const auto& row : rows.rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], display_width(cell_text(row[i])));
      if (is_number(row[i])) numeric[i] = true;
    }
  }
  if (width_max > 0 && !widths.empty()) fit(widths, numeric, width_max);
  std::string out;
  const auto append_row = [&](const auto& text_of) {
    for (size_t i = 0; i < widths.size(); ++i) {
      if (i > 0) out += kColumnGap;
      append_cell(out, shortened(text_of(i), widths[i]), widths[i], numeric[i]);
    }
    end_line(out);
  };
  append_row([&](size_t i) { return rows.columns[i]; });
  for (const auto& row : rows.rows) append_row([&](size_t i) { return cell_text(row[i]); });
  return out;
}

std::string format_json_rows(const SqlRows& rows) {
  if (rows.rows.empty()) return "[]\n";
  std::string out = "[\n";
  for (size_t i = 0; i < rows.rows.size(); ++i) {
    JsonWriter writer;
    writer.begin_object();
    for (size_t j = 0; j < rows.columns.size(); ++j) {
      writer.key(rows.columns[j]);
      write_value(writer, rows.rows[i][j]);
    }
    out += "  " + std::move(writer.end_object()).take();
    out += i + 1 < rows.rows.size() ? ",\n" : "\n";
  }
  return out + "]\n";
}

}  // namespace litestream
