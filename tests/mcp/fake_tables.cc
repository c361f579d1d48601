#include "tests/mcp/fake_tables.h"

#include <sqlite3.h>

#include <new>
#include <string_view>

namespace litestream::test {
namespace {

// A row is its columns' texts; digits alone become an integer, "-" is NULL. "@" stands for the
// database the row belongs to, "@replica_txid" for what is on its replica.
struct FakeTable {
  const char* name;
  const char* schema;
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows_of_database;
};

const std::vector<FakeTable>& fake_tables() {
  const std::string t1 = "0000000000000001", t2 = "0000000000000002", t3 = "0000000000000003";
  const std::string day = "2026-01-03T04:05:0";
  static const std::vector<FakeTable> tables = {
      {"litestream_databases",
       "CREATE TABLE x(path, replica, type, url, page_size, replicating)",
       {"path", "replica", "type", "url", "page_size", "replicating"},
       {{"@", "file", "file", "file:///backup", "4096", "1"}}},
      {"litestream_ltx",
       "CREATE TABLE x(database, replica, level, min_txid, max_txid, size, created_at)",
       {"database", "replica", "level", "min_txid", "max_txid", "size", "created_at"},
       {{"@", "file", "0", t3, t3, "300", day + "3.000Z"},
        {"@", "file", "0", t2, t2, "200", day + "2.000Z"},
        {"@", "file", "9", t1, t1, "100", day + "1.000Z"}}},
      {"litestream_snapshots",
       "CREATE TABLE x(database, replica, txid, size, created_at)",
       {"database", "replica", "txid", "size", "created_at"},
       {{"@", "file", t1, "100", day + "1.000Z"}}},
      {"litestream_generations",
       "CREATE TABLE x(database, replica, generation, snapshots, wal_segments, created_at, "
       "updated_at)",
       {"database", "replica", "generation", "snapshots", "wal_segments", "created_at",
        "updated_at"},
       {}},
      {"litestream_status",
       "CREATE TABLE x(database, replica, status, local_txid, replica_txid, lag_ms, wal_size, "
       "spool_size, last_sync_at, last_error, owner, durability, warning)",
       {"database", "replica", "status", "local_txid", "replica_txid", "lag_ms", "wal_size",
        "spool_size", "last_sync_at", "last_error", "owner", "durability", "warning"},
       {{"@", "file", "ok", t3, "@replica_txid", "0", "4120", "0", day + "3.000Z", "-", "-",
         "async", "-"}}},
      {"litestream_plan",
       "CREATE TABLE x(database, replica, txid HIDDEN, timestamp HIDDEN, step, level, min_txid, "
       "max_txid, size, path, created_at HIDDEN)",
       {"database", "replica", "txid", "timestamp", "step", "level", "min_txid", "max_txid", "size",
        "path", "created_at"},
       {{"@", "file", "-", "-", "1", "9", t1, t1, "100", "ltx/9/a.ltx", day + "1.000Z"},
        {"@", "file", "-", "-", "2", "0", t2, t3, "500", "ltx/0/b.ltx", day + "3.000Z"}}},
      {"litestream_jobs",
       "CREATE TABLE x(id, kind, database, replica, done_bytes, total_bytes, started_at)",
       {"id", "kind", "database", "replica", "done_bytes", "total_bytes", "started_at"},
       {}},
      {"litestream_config_values",
       "CREATE TABLE x(database, replica, key, value, number, origin)",
       {"database", "replica", "key", "value", "number", "origin"},
       {{"@", "-", "sync-interval", "1s", "1000", "default"},
        {"@", "-", "linger", "9s", "9000", "litestream.yml:3"},
        {"@", "file", "url", "file:///backup", "-", "litestream.yml:5"}}},
      {"litestream_metrics",
       "CREATE TABLE x(database, name, kind, replica, labels, value, help)",
       {"database", "name", "kind", "replica", "labels", "value", "help"},
       {{"@", "litestream_txid", "gauge", "-", "-", "3", "Newest transaction."}}},
      {"litestream_restore_points",
       "CREATE TABLE x(database, replica, txid, created_at, level)",
       {"database", "replica", "txid", "created_at", "level"},
       {{"@", "file", t3, day + "3.000Z", "0"}, {"@", "file", t1, day + "1.000Z", "9"}}}};
  return tables;
}

struct Table {
  sqlite3_vtab base;  // must be first
  const FakeTable* fake;
};

struct Cursor {
  sqlite3_vtab_cursor base;  // must be first
  std::vector<std::vector<std::string>> rows;
  size_t index = 0;
};

int connect(sqlite3* connection, void* fake, int, const char* const*, sqlite3_vtab** out, char**) {
  const auto* table = static_cast<const FakeTable*>(fake);
  const int code = sqlite3_declare_vtab(connection, table->schema);
  if (code != SQLITE_OK) return code;
  sqlite3_vtab_config(connection, SQLITE_VTAB_DIRECTONLY);
  *out = &(new Table{{}, table})->base;
  return SQLITE_OK;
}

int disconnect(sqlite3_vtab* table) {
  delete reinterpret_cast<Table*>(table);
  return SQLITE_OK;
}

// idxStr holds the column number of each argument of filter(), as a character from '0'.
int best_index(sqlite3_vtab* base, sqlite3_index_info* info) {
  const auto& columns = reinterpret_cast<Table*>(base)->fake->columns;
  char* used = static_cast<char*>(sqlite3_malloc(32));
  if (used == nullptr) return SQLITE_NOMEM;
  int count = 0;
  for (int i = 0; i < info->nConstraint; ++i) {
    const auto& constraint = info->aConstraint[i];
    if (!constraint.usable || constraint.op != SQLITE_INDEX_CONSTRAINT_EQ) continue;
    const std::string& column = columns[static_cast<size_t>(constraint.iColumn)];
    const bool is_input = constraint.iColumn == 0 || column == "replica" || column == "level" ||
                          column == "txid" || column == "timestamp";
    if (!is_input || column == "id") continue;
    used[count] = static_cast<char>('0' + constraint.iColumn);
    info->aConstraintUsage[i].argvIndex = ++count;
    info->aConstraintUsage[i].omit = 1;
  }
  used[count] = '\0';
  info->idxStr = used;
  info->needToFreeIdxStr = 1;
  return SQLITE_OK;
}

int open_cursor(sqlite3_vtab*, sqlite3_vtab_cursor** out) {
  *out = &(new Cursor{})->base;
  return SQLITE_OK;
}

int close_cursor(sqlite3_vtab_cursor* cursor) {
  delete reinterpret_cast<Cursor*>(cursor);
  return SQLITE_OK;
}

bool is_known(const std::string& database) {
  if (database.find("://") != std::string::npos) return true;
  for (const std::string& path : fake_databases()) {
    if (path == database) return true;
  }
  return false;
}

int unknown_database(sqlite3_vtab* table, const std::string& database) {
  std::string known;
  for (const std::string& path : fake_databases()) known += (known.empty() ? "" : ", ") + path;
  table->zErrMsg =
      sqlite3_mprintf("%s: unknown database \"%s\"; known: %s",
                      reinterpret_cast<Table*>(table)->fake->name, database.c_str(), known.c_str());
  return SQLITE_ERROR;
}

// What a database named so has of a table.
size_t copies_of_rows(const std::string& table, const std::string& database) {
  const bool is_listing = table == "litestream_ltx" || table == "litestream_snapshots" ||
                          table == "litestream_restore_points" || table == "litestream_plan";
  if (!is_listing) return 1;
  if (database.find("empty") != std::string::npos) return 0;
  return database.find("many") != std::string::npos ? 1000 : 1;
}

void add_jobs(Cursor& cursor) {
  for (const FakeJob& job : fake_jobs()) {
    cursor.rows.push_back({std::to_string(job.id), job.kind, job.database, "file",
                           std::to_string(job.done_bytes), std::to_string(job.total_bytes),
                           "2026-01-03T04:05:06.000Z"});
  }
}

void add_rows(Cursor& cursor, const FakeTable& fake, const std::string& database,
              const std::vector<std::pair<size_t, std::string>>& wanted) {
  for (size_t copy = copies_of_rows(fake.name, database); copy > 0; --copy) {
    for (std::vector<std::string> row : fake.rows_of_database) {
      row[0] = database;
      bool matches = true;
      for (auto& text : row) {
        if (text == "@replica_txid") text = fake_replica_txid();
      }
      for (const auto& [column, value] : wanted) {
        matches = matches && (row[column] == value || row[column] == "-");
      }
      if (matches) cursor.rows.push_back(std::move(row));
    }
  }
}

int filter(sqlite3_vtab_cursor* base, int, const char* used, int count, sqlite3_value** values) {
  auto& cursor = *reinterpret_cast<Cursor*>(base);
  const FakeTable& fake = *reinterpret_cast<Table*>(base->pVtab)->fake;
  cursor.rows.clear();
  cursor.index = 0;
  if (fake.columns[0] == "id") {
    add_jobs(cursor);
    return SQLITE_OK;
  }
  std::vector<std::string> databases = fake_databases();
  std::vector<std::pair<size_t, std::string>> wanted;
  for (int i = 0; i < count; ++i) {
    const auto column = static_cast<size_t>(used[i] - '0');
    const auto* text = reinterpret_cast<const char*>(sqlite3_value_text(values[i]));
    const std::string value = text == nullptr ? "" : text;
    if (column == 0) {
      if (text == nullptr) return SQLITE_OK;
      if (!is_known(value) && fake.columns[0] == "database") {
        return unknown_database(base->pVtab, value);
      }
      databases = is_known(value) ? std::vector<std::string>{value} : std::vector<std::string>{};
    } else if (text != nullptr) {
      wanted.emplace_back(column, value);
    }
  }
  for (const std::string& database : databases) add_rows(cursor, fake, database, wanted);
  return SQLITE_OK;
}

int next(sqlite3_vtab_cursor* cursor) {
  ++reinterpret_cast<Cursor*>(cursor)->index;
  return SQLITE_OK;
}

int eof(sqlite3_vtab_cursor* base) {
  const auto& cursor = *reinterpret_cast<Cursor*>(base);
  return cursor.index >= cursor.rows.size();
}

int column(sqlite3_vtab_cursor* base, sqlite3_context* context, int number) {
  const auto& cursor = *reinterpret_cast<Cursor*>(base);
  const std::string& text = cursor.rows[cursor.index][static_cast<size_t>(number)];
  if (text == "-") return SQLITE_OK;
  const bool is_integer =
      text.size() < 16 && text.find_first_not_of("0123456789") == std::string::npos;
  if (is_integer) {
    sqlite3_result_int64(context, std::stoll(text));
  } else {
    sqlite3_result_text(context, text.c_str(), -1, SQLITE_TRANSIENT);
  }
  return SQLITE_OK;
}

int rowid(sqlite3_vtab_cursor* base, sqlite3_int64* out) {
  *out = static_cast<sqlite3_int64>(reinterpret_cast<Cursor*>(base)->index);
  return SQLITE_OK;
}

const sqlite3_module& module() {
  static const sqlite3_module instance = [] {
    sqlite3_module m{};
    m.xConnect = connect;  // no xCreate: eponymous only
    m.xBestIndex = best_index;
    m.xDisconnect = disconnect;
    m.xOpen = open_cursor;
    m.xClose = close_cursor;
    m.xFilter = filter;
    m.xNext = next;
    m.xEof = eof;
    m.xColumn = column;
    m.xRowid = rowid;
    return m;
  }();
  return instance;
}

}  // namespace

int register_fake_tables(sqlite3* connection) {
  for (const FakeTable& table : fake_tables()) {
    const int code = sqlite3_create_module_v2(connection, table.name, &module(),
                                              const_cast<FakeTable*>(&table), nullptr);
    if (code != SQLITE_OK) return code;
  }
  return SQLITE_OK;
}

}  // namespace litestream::test
