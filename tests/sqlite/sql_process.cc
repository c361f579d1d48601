// A program with one SQLite connection that runs what it is sent on its standard input, a socket:
// eight hexadecimal digits of length, then SQL. It answers 'K' (ok) or 'E' (error), eight digits
// of length, then the first column of the first row or the error's text. See sql_process.h.
//
//   sql_process DATABASE plain|extension|single-thread
//
// Functions of its own: test_kill() dies; test_gate(call, path, action, number) sets a gate (see
// tests/support/call_gate.h), and test_gate() opens all of them.
#include <sqlite3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/support/call_gate.h"

extern "C" int sqlite3_litestreamext_init(sqlite3*, char**, const sqlite3_api_routines*);

namespace {

void die(sqlite3_context*, int, sqlite3_value**) { (void)std::raise(SIGKILL); }

void gate(sqlite3_context* context, int count, sqlite3_value** values) {
  if (count == 0) return litestream::test::open_gates();
  const auto text = [&](int i) {
    return std::string(reinterpret_cast<const char*>(sqlite3_value_text(values[i])));
  };
  const auto number = static_cast<uint64_t>(sqlite3_value_int64(values[3]));
  if (!litestream::test::set_gate_by_name(text(0), text(1), text(2), number)) {
    sqlite3_result_error(context, "test_gate: no such call or action", -1);
  }
}

bool read_all(char* out, size_t count) {
  for (size_t at = 0; at < count;) {
    const ssize_t n = ::read(0, out + at, count - at);
    if (n <= 0) return false;
    at += static_cast<size_t>(n);
  }
  return true;
}

bool answer(char kind, const std::string& text) {
  char head[16];
  std::snprintf(head, sizeof head, "%c%08zx", kind, text.size());
  const std::string bytes = std::string(head, 9) + text;
  return ::send(0, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
}

struct FirstValue {
  bool set = false;
  std::string text;
};

int keep_first(void* context, int count, char** values, char**) {
  auto* first = static_cast<FirstValue*>(context);
  if (!first->set && count > 0 && values[0] != nullptr) first->text = values[0];
  first->set = true;
  return 0;
}

bool serve(sqlite3* db) {
  char head[9] = {};
  if (!read_all(head, 8)) return false;
  std::string sql(std::strtoull(head, nullptr, 16), '\0');
  if (!read_all(sql.data(), sql.size())) return false;
  FirstValue first;
  const int code = sqlite3_exec(db, sql.c_str(), keep_first, &first, nullptr);
  return code == SQLITE_OK ? answer('K', first.text) : answer('E', sqlite3_errmsg(db));
}

}  // namespace

#ifdef __SANITIZE_ADDRESS__
// The search for leaks at exit stops all threads and now and then waits for ever. There are
// hundreds of these processes; what they leak, the tests' own processes leak as well.
extern "C" const char* __asan_default_options() { return "detect_leaks=0"; }
#endif

int main(int argument_count, char** arguments) {
  if (argument_count != 3) return 2;
  const std::string mode = arguments[2];
  if (mode == "single-thread" && sqlite3_config(SQLITE_CONFIG_SINGLETHREAD) != SQLITE_OK) return 2;
  sqlite3* db = nullptr;
  if (sqlite3_open(arguments[1], &db) != SQLITE_OK) return 2;
  sqlite3_busy_timeout(db, 10'000);
  sqlite3_create_function(db, "test_kill", 0, SQLITE_UTF8, nullptr, die, nullptr, nullptr);
  for (const int count : {0, 4}) {
    sqlite3_create_function(db, "test_gate", count, SQLITE_UTF8, nullptr, gate, nullptr, nullptr);
  }
  char* error = nullptr;
  if (mode != "plain" && sqlite3_litestreamext_init(db, &error, nullptr) != SQLITE_OK) {
    // The refusal is the answer to whatever is asked.
    const std::string text = error == nullptr ? "no reason given" : error;
    sqlite3_free(error);
    char head[9] = {};
    while (read_all(head, 8)) {
      std::string sql(std::strtoull(head, nullptr, 16), '\0');
      if (!read_all(sql.data(), sql.size()) || !answer('E', text)) break;
    }
    sqlite3_close(db);
    return 1;
  }
  while (serve(db)) {
  }
  return sqlite3_close(db) == SQLITE_OK ? 0 : 1;
}
