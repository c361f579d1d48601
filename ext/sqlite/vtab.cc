#include "ext/sqlite/vtab.h"

#include <algorithm>
#include <new>

#include "ext/sqlite/guard_call.h"
#include "ext/sqlite/remote_call.h"

namespace litestream {
namespace {

constexpr int kInputCount = 5;
constexpr int kDatabaseInput = 0;
constexpr int kLevelInput = 2;
constexpr int kColumnBitCount = 26;  // of a positive int, above the inputs
constexpr uint32_t kColumnMask = (1U << kColumnBitCount) - 1;

struct Table {
  sqlite3_vtab base;  // must be first
  sqlite3* db;
  const TableDefinition* definition;
};

struct Cursor {
  sqlite3_vtab_cursor base;  // must be first
  std::vector<TableRow> rows;
  size_t at = 0;
};

int fail(sqlite3_vtab* table, const TableDefinition& definition, const Status& status) {
  sqlite3_free(table->zErrMsg);
  table->zErrMsg = sqlite3_mprintf("%s: %s", definition.name, status.message().c_str());
  return status.code() == StatusCode::kCancelled ? SQLITE_INTERRUPT : SQLITE_ERROR;
}

int vtab_connect(sqlite3* db, void* aux, int, const char* const*, sqlite3_vtab** out, char**) {
  return guard_code([&] {
    const auto* definition = static_cast<const TableDefinition*>(aux);
    const int code = sqlite3_declare_vtab(db, definition->schema);
    if (code != SQLITE_OK) return code;
    // Reads state outside the database: not from views or triggers of an untrusted schema.
    sqlite3_vtab_config(db, SQLITE_VTAB_DIRECTONLY);
    auto* table = new (std::nothrow) Table{};
    if (table == nullptr) return SQLITE_NOMEM;
    table->db = db;
    table->definition = definition;
    *out = &table->base;
    return SQLITE_OK;
  });
}

int vtab_disconnect(sqlite3_vtab* base) {
  delete reinterpret_cast<Table*>(base);
  return SQLITE_OK;
}

int vtab_best_index(sqlite3_vtab* base, sqlite3_index_info* info) {
  const TableDefinition& definition = *reinterpret_cast<Table*>(base)->definition;
  int chosen[kInputCount] = {-1, -1, -1, -1, -1};
  bool unusable_database = false;
  for (int i = 0; i < info->nConstraint; ++i) {
    const auto& constraint = info->aConstraint[i];
    if (constraint.op != SQLITE_INDEX_CONSTRAINT_EQ) continue;
    for (int input = 0; input < kInputCount; ++input) {
      if (definition.input_columns[input] < 0 ||
          constraint.iColumn != definition.input_columns[input]) {
        continue;
      }
      if (constraint.usable && chosen[input] < 0) chosen[input] = i;
      if (!constraint.usable && input == kDatabaseInput) unusable_database = true;
    }
  }
  if (unusable_database && chosen[kDatabaseInput] < 0) return SQLITE_CONSTRAINT;
  int argument = 0;
  info->idxNum = static_cast<int>((info->colUsed & kColumnMask) << kInputCount);
  info->estimatedCost = 1e6;
  for (int input = 0; input < kInputCount; ++input) {
    if (chosen[input] < 0) continue;
    info->idxNum |= 1 << input;
    info->aConstraintUsage[chosen[input]].argvIndex = ++argument;
    info->aConstraintUsage[chosen[input]].omit = 1;
    info->estimatedCost /= 10;
  }
  return SQLITE_OK;
}

int vtab_open(sqlite3_vtab*, sqlite3_vtab_cursor** out) {
  auto* cursor = new (std::nothrow) Cursor{};
  if (cursor == nullptr) return SQLITE_NOMEM;
  *out = &cursor->base;
  return SQLITE_OK;
}

int vtab_close(sqlite3_vtab_cursor* base) {
  delete reinterpret_cast<Cursor*>(base);
  return SQLITE_OK;
}

// NULL means "any" for replica and level and "not given" for the hidden inputs.
Status read_input(int input, sqlite3_value* value, TableQuery* query, bool* nothing_matches) {
  if (sqlite3_value_type(value) == SQLITE_NULL) {
    if (input == kDatabaseInput) *nothing_matches = true;
    return {};
  }
  if (input == kLevelInput) {
    // 0..9; another value of another type equals no level.
    if (sqlite3_value_numeric_type(value) != SQLITE_INTEGER) *nothing_matches = true;
    query->level = sqlite3_value_int64(value);
    return {};
  }
  const auto* text = reinterpret_cast<const char*>(sqlite3_value_text(value));
  if (text == nullptr) return internal_error("out of memory");
  std::optional<std::string>* targets[kInputCount] = {&query->database, &query->replica, nullptr,
                                                      &query->txid, &query->timestamp};
  *targets[input] = std::string(text);
  return {};
}

int vtab_filter(sqlite3_vtab_cursor* base, int inputs, const char*, int argument_count,
                sqlite3_value** arguments) {
  return guard_code([&] {
    auto* cursor = reinterpret_cast<Cursor*>(base);
    const auto& table = *reinterpret_cast<Table*>(base->pVtab);
    const TableDefinition& definition = *table.definition;
    cursor->rows.clear();
    cursor->at = 0;
    TableQuery query;
    query.used_columns = static_cast<uint32_t>(inputs) >> kInputCount | ~kColumnMask;
    bool nothing_matches = false;
    int argument = 0;
    for (int input = 0; input < kInputCount && argument < argument_count; ++input) {
      if ((inputs & (1 << input)) == 0) continue;
      const Status read = read_input(input, arguments[argument++], &query, &nothing_matches);
      if (!read.ok()) return fail(base->pVtab, definition, read);
    }
    if (nothing_matches) return SQLITE_OK;
    const RemoteCall limits(table.db, kTableReadMsMax);
    auto rows = definition.rows(query);
    if (!rows.ok()) return fail(base->pVtab, definition, rows.status());
    cursor->rows = std::move(rows).value();
    return SQLITE_OK;
  });
}

int vtab_next(sqlite3_vtab_cursor* base) {
  ++reinterpret_cast<Cursor*>(base)->at;
  return SQLITE_OK;
}

int vtab_eof(sqlite3_vtab_cursor* base) {
  const auto* cursor = reinterpret_cast<Cursor*>(base);
  return cursor->at >= cursor->rows.size() ? 1 : 0;
}

int vtab_column(sqlite3_vtab_cursor* base, sqlite3_context* context, int column) {
  const auto* cursor = reinterpret_cast<Cursor*>(base);
  const TableRow& row = cursor->rows[cursor->at];
  if (static_cast<size_t>(column) >= row.size()) return SQLITE_OK;
  const TableValue& value = row[static_cast<size_t>(column)];
  if (const auto* number = std::get_if<int64_t>(&value)) {
    sqlite3_result_int64(context, *number);
  } else if (const auto* real = std::get_if<double>(&value)) {
    sqlite3_result_double(context, *real);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    sqlite3_result_text64(context, text->data(), text->size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  }
  return SQLITE_OK;
}

int vtab_rowid(sqlite3_vtab_cursor* base, sqlite3_int64* rowid) {
  *rowid = static_cast<sqlite3_int64>(reinterpret_cast<Cursor*>(base)->at) + 1;
  return SQLITE_OK;
}

const sqlite3_module kModule = {
    0,                // iVersion
    nullptr,          // xCreate: eponymous only
    vtab_connect,     // xConnect
    vtab_best_index,  // xBestIndex
    vtab_disconnect,  // xDisconnect
    vtab_disconnect,  // xDestroy
    vtab_open,        // xOpen
    vtab_close,       // xClose
    vtab_filter,      // xFilter
    vtab_next,        // xNext
    vtab_eof,         // xEof
    vtab_column,      // xColumn
    vtab_rowid,       // xRowid
    nullptr,          // xUpdate
    nullptr,          // xBegin
    nullptr,          // xSync
    nullptr,          // xCommit
    nullptr,          // xRollback
    nullptr,          // xFindFunction
    nullptr,          // xRename
    nullptr,          // xSavepoint
    nullptr,          // xRelease
    nullptr,          // xRollbackTo
    nullptr,          // xShadowName
};

}  // namespace

int register_table(sqlite3* db, const TableDefinition& definition) {
  return sqlite3_create_module_v2(db, definition.name, &kModule,
                                  const_cast<TableDefinition*>(&definition), nullptr);
}

}  // namespace litestream
