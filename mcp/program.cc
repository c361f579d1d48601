#include "mcp/program.h"

#include <ostream>
#include <vector>

#include "ext/base/nearest.h"

namespace litestream {
namespace {

constexpr const Command* kCommands[] = {
    &kReplicateCommand,     &kRestoreCommand,     &kVerifyCommand, &kPlanCommand,
    &kRestorePointsCommand, &kDatabasesCommand,   &kStatusCommand, &kLtxCommand,
    &kSnapshotsCommand,     &kGenerationsCommand, &kMcpCommand,    &kListCommand,
    &kInfoCommand,          &kSyncCommand,        &kStartCommand,  &kStopCommand,
    &kRegisterCommand,      &kUnregisterCommand,  &kResetCommand,  &kConfigCommand,
    &kCompletionCommand,    &kVersionCommand};

void write_help(std::ostream& out) {
  out << "litestream backs up SQLite databases continuously.\n\n"
         "Usage: litestream COMMAND [flags] [arguments]\n\nCommands:\n";
  for (const Command* command : kCommands) {
    std::string line = "  ";
    line += command->name;
    line.resize(18, ' ');
    out << line << command->summary << '\n';
  }
  out << "\nExamples:\n"
         "  litestream replicate app.db file:///backup/app\n"
         "  litestream restore -o restored.db file:///backup/app\n"
         "  litestream help restore\n\n"
         "Without -config the configuration is $LITESTREAM_CONFIG, else /etc/litestream.yml.\n";
}

const Command* find_command(std::string_view name) {
  for (const Command* command : kCommands) {
    if (name == command->name) return command;
  }
  return nullptr;
}

int unknown_command(Streams streams, std::string_view name) {
  std::vector<std::string_view> names = {"help"};
  for (const Command* command : kCommands) names.emplace_back(command->name);
  streams.err << "litestream: unknown command '" << name << "'" << nearest_hint(names, name)
              << "; see litestream help\n";
  return kExitUsage;
}

int run_command(const Command& command, std::span<const std::string> arguments, Streams streams) {
  const auto parsed = parse_args(command.flags, arguments);
  if (!parsed.ok()) return usage_error(streams, command.name, parsed.status().message());
  if (parsed->is_on("help")) {
    streams.out << command.help;
    return kExitOk;
  }
  return command.run(*parsed, streams);
}

}  // namespace

std::span<const Command* const> all_commands() { return kCommands; }

int usage_error(Streams streams, const char* command, std::string_view message) {
  streams.err << "litestream " << command << ": " << message << "\nsee litestream help " << command
              << '\n';
  return kExitUsage;
}

int failure(Streams streams, const char* command, const Status& status) {
  streams.err << "litestream " << command << ": " << status.message() << '\n';
  return kExitFailed;
}

int run_program(std::span<const std::string> arguments, Streams streams) {
  if (arguments.empty()) {
    write_help(streams.err);
    return kExitUsage;
  }
  const std::string& name = arguments[0];
  if (name == "help" && arguments.size() > 1) {
    const Command* command = find_command(arguments[1]);
    if (command == nullptr) return unknown_command(streams, arguments[1]);
    streams.out << command->help;
    return kExitOk;
  }
  if (name == "help" || name == "-h" || name == "-help" || name == "--help") {
    write_help(streams.out);
    return kExitOk;
  }
  const Command* command = find_command(name);
  if (command == nullptr) return unknown_command(streams, name);
  return run_command(*command, arguments.subspan(1), streams);
}

}  // namespace litestream
