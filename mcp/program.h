// The command line of the program: from arguments to an exit status. main.cc adds the extension and
// the process around it.
//
// Exit status: 0 done, 1 failed (the reason on `err`), 2 wrong usage.
// Threading: one call at a time per process; `replicate` and `mcp` wait for signals.
#pragma once

#include <iosfwd>
#include <span>
#include <string>

#include "mcp/args.h"

namespace litestream {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;

struct Streams {
  std::ostream& out;
  std::ostream& err;
  size_t out_width = 0;          // columns of the terminal that `out` is; 0: it is none
  bool err_is_terminal = false;  // progress may be shown there
};

// `arguments` without the program's name.
int run_program(std::span<const std::string> arguments, Streams streams);

// One command. `run` gets parsed flags, after -help has been dealt with.
struct Command {
  const char* name;
  const char* summary;
  const char* help;  // usage line, flags, examples
  std::span<const FlagSpec> flags;
  int (*run)(const ParsedArgs& args, Streams streams);
};

// In the order in which help lists them.
std::span<const Command* const> all_commands();

// Writes "litestream <command>: <message>" and answers kExitUsage or kExitFailed.
int usage_error(Streams streams, const char* command, std::string_view message);
int failure(Streams streams, const char* command, const Status& status);

extern const Command kReplicateCommand;
extern const Command kRestoreCommand;
extern const Command kVerifyCommand;
extern const Command kPlanCommand;
extern const Command kRestorePointsCommand;
extern const Command kDatabasesCommand;
extern const Command kLtxCommand;
extern const Command kSnapshotsCommand;
extern const Command kGenerationsCommand;
extern const Command kStatusCommand;
extern const Command kMcpCommand;
extern const Command kInfoCommand;
extern const Command kListCommand;
extern const Command kStartCommand;
extern const Command kStopCommand;
extern const Command kSyncCommand;
extern const Command kRegisterCommand;
extern const Command kUnregisterCommand;
extern const Command kResetCommand;
extern const Command kConfigCommand;
extern const Command kCompletionCommand;
extern const Command kVersionCommand;

}  // namespace litestream
