// The entry point. `.load ./litestream_ext` finds it by the file's name.
#include <sqlite3ext.h>
SQLITE_EXTENSION_INIT1

#include <dlfcn.h>

#include <atomic>
#include <string>

#include "ext/sqlite/guard_call.h"
#include "ext/sqlite/own_connection.h"
#include "ext/sqlite/register.h"

namespace {

// sqlite3_txn_state() came with it; calling past the end of an older API table would crash.
constexpr int kSqliteVersionMin = 3034000;

int load(sqlite3* db, std::string* error) {
  if (sqlite3_libversion_number() < kSqliteVersionMin) {
    *error = std::string("litestream needs SQLite 3.34 or newer; this is ") + sqlite3_libversion();
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

#ifndef SQLITE_CORE
// Every call of ours goes through one API table, so that this copy of the extension can serve one
// SQLite library only: connections of another one in the same process mean nothing to it.
bool is_our_library(const sqlite3_api_routines* api) {
  static std::atomic<const sqlite3_api_routines*> ours{nullptr};
  const sqlite3_api_routines* expected = nullptr;
  return ours.compare_exchange_strong(expected, api) || expected == api;
}

// Hosts with modules (PHP) unload SQLite before the process runs its exit handlers, while our
// threads still have connections. What is in use stays; a SQLite inside the program itself does
// anyway.
void keep_library_loaded(const sqlite3_api_routines* api) {
  Dl_info info{};
  if (::dladdr(api, &info) == 0 || info.dli_fname == nullptr) return;
  (void)::dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
}
#endif

}  // namespace

extern "C" {

#ifndef SQLITE_CORE
__attribute__((visibility("default")))
#endif
int sqlite3_litestreamext_init(sqlite3* db, char** error_message,
                               const sqlite3_api_routines* api);

int sqlite3_litestreamext_init(sqlite3* db, char** error_message, const sqlite3_api_routines* api) {
#ifndef SQLITE_CORE
  if (!is_our_library(api)) {
    if (error_message != nullptr) {
      *error_message = api->mprintf(
          "litestream is already in use by another SQLite library of this process; load it there "
          "only");
    }
    return SQLITE_ERROR;
  }
#endif
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
  keep_library_loaded(api);
  // We own threads and an exit handler: the library must stay.
  return SQLITE_OK_LOAD_PERMANENTLY;
#endif
}

}  // extern "C"
