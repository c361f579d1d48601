// The text of sql/tools/*.sql and sql/commands/*.sql, put into the program at build time.
// Threading: immutable.
#pragma once

#include <span>
#include <string_view>

namespace litestream {

struct EmbeddedSql {
  std::string_view name;  // "tools/litestream_ltx", "commands/restore"
  std::string_view text;  // the whole file, header comment included
};

// Tools in the order of tools/list.
std::span<const EmbeddedSql> embedded_sql();

}  // namespace litestream
