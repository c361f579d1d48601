// The process around the program: the extension in every connection, and nothing else.

#include <sqlite3.h>
#include <unistd.h>

#include <csignal>
#include <iostream>
#include <string>
#include <vector>

#include "mcp/program.h"
#include "mcp/program_log.h"
#include "mcp/terminal.h"

struct sqlite3_api_routines;
extern "C" int sqlite3_litestreamext_init(sqlite3* connection, char** error_message,
                                          const sqlite3_api_routines* api);

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a client that goes away is not a reason to end
  litestream::install_sqlite_log();
  // SQLite declares the callback without parameters and calls it with an entry point's three.
  if (sqlite3_auto_extension(reinterpret_cast<void (*)()>(sqlite3_litestreamext_init)) !=
      SQLITE_OK) {
    std::cerr << "litestream: out of memory\n";
    return litestream::kExitFailed;
  }
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const litestream::Streams streams{std::cout, std::cerr, litestream::terminal_width(STDOUT_FILENO),
                                    litestream::terminal_width(STDERR_FILENO) > 0};
  const int status = litestream::run_program(arguments, streams);
  std::cout.flush();
  if (!std::cout) return litestream::kExitFailed;  // nobody got the output
  // Connections that idle in their keep-alive wait have nothing to lose; waiting for them would
  // delay the exit by seconds.
  std::_Exit(status);
}
