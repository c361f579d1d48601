// The entry point. `.load ./litestream_ext` finds it by the file's name.
#include <sqlite3ext.h>
SQLITE_EXTENSION_INIT1

#include <string>

#include "ext/sqlite/guard_call.h"
#include "ext/sqlite/own_connection.h"
#include "ext/sqlite/register.h"

namespace {

constexpr int kSqliteVersionMin = 3031000;

int load(sqlite3* db, std::string* error) {
  if (sqlite3_libversion_number() < kSqliteVersionMin) {
    *error = std::string("litestream needs SQLite 3.31 or newer; this is ") + sqlite3_libversion();
    return SQLITE_ERROR;
  }
  if (sqlite3_threadsafe() == 0) {
    *error = "litestream needs a thread-safe SQLite; this one is built with SQLITE_THREADSAFE=0";
    return SQLITE_ERROR;
  }
  if (!litestream::sqlite_has_mutexes(db)) {
    *error = "litestream needs threads; this SQLite is configured with SQLITE_CONFIG_SINGLETHREAD";
    return SQLITE_ERROR;
  }
  return litestream::register_on_connection(db, error);
}

int load_guarded(sqlite3* db, std::string* error) {
  return litestream::guard_code([&] { return load(db, error); });
}

// For every later connection of the process. Whatever goes wrong is logged: an application must be
// able to open its database without us.
int load_on_open(sqlite3* db, char**, const sqlite3_api_routines*) {
  if (litestream::opening_own_connection()) return SQLITE_OK;
  std::string error;
  if (load_guarded(db, &error) != SQLITE_OK) sqlite3_log(SQLITE_ERROR, "%s", error.c_str());
  return SQLITE_OK;
}

}  // namespace

extern "C" {

#ifndef SQLITE_CORE
__attribute__((visibility("default")))
#endif
int sqlite3_litestreamext_init(sqlite3* db, char** error_message,
                               const sqlite3_api_routines* api);

int sqlite3_litestreamext_init(sqlite3* db, char** error_message, const sqlite3_api_routines* api) {
  SQLITE_EXTENSION_INIT2(api);
  (void)api;
  if (litestream::opening_own_connection()) return SQLITE_OK;
  std::string error;
  int code = load_guarded(db, &error);
  if (code == SQLITE_OK) {
    code = sqlite3_auto_extension(reinterpret_cast<void (*)(void)>(load_on_open));
  }
  if (code != SQLITE_OK) {
    if (error_message != nullptr && !error.empty()) {
      *error_message = sqlite3_mprintf("%s", error.c_str());
    }
    return code;
  }
  litestream::log_to_sqlite();
#ifdef SQLITE_CORE
  return SQLITE_OK;
#else
  // We own threads and an exit handler: the library must stay.
  return SQLITE_OK_LOAD_PERMANENTLY;
#endif
}

}  // extern "C"
