# Turns .sql files into one C++ source: cmake -DOUTPUT=f.cc -DROOT=sql -DFILES="tools/a.sql|..." -P this.
# The order of FILES is the order of the table, and so of tools/list.
string(REPLACE "|" ";" FILES "${FILES}")
set(entries "")
foreach(file IN LISTS FILES)
  file(READ "${ROOT}/${file}" text)
  string(REGEX REPLACE "\\.sql$" "" name "${file}")
  string(APPEND entries "    {\"${name}\", R\"LSSQL(${text})LSSQL\"},\n")
endforeach()
file(WRITE "${OUTPUT}.new"
"// Generated from sql/ at build time.
#include \"mcp/embedded_sql.h\"

namespace litestream {
namespace {

constexpr EmbeddedSql kEmbeddedSql[] = {
${entries}};

}  // namespace

std::span<const EmbeddedSql> embedded_sql() { return kEmbeddedSql; }

}  // namespace litestream
")
file(COPY_FILE "${OUTPUT}.new" "${OUTPUT}" ONLY_IF_DIFFERENT)
file(REMOVE "${OUTPUT}.new")
