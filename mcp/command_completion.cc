// `litestream completion`: scripts that make shells complete commands, flags and file names.
#include <algorithm>
#include <ostream>
#include <string>

#include "mcp/program.h"

namespace litestream {
namespace {

std::string flag_words(const Command& command) {
  std::string words = "-help";
  for (const FlagSpec& flag : command.flags) words += std::string(" -") + flag.name;
  return words;
}

std::string command_words() {
  std::string words = "help";
  for (const Command* command : all_commands()) words += std::string(" ") + command->name;
  return words;
}

void write_bash(std::ostream& out) {
  out << "# bash completion for litestream: source it, or put it in /etc/bash_completion.d/\n"
         "_litestream() {\n"
         "  local current=${COMP_WORDS[COMP_CWORD]} flags=\n"
         "  if [[ $COMP_CWORD -eq 1 || ( $COMP_CWORD -eq 2 && ${COMP_WORDS[1]} == help ) ]]; then\n"
         "    COMPREPLY=($(compgen -W '"
      << command_words()
      << "' -- \"$current\"))\n"
         "    return\n"
         "  fi\n"
         "  case ${COMP_WORDS[1]} in\n";
  for (const Command* command : all_commands()) {
    out << "    " << command->name << ") flags='" << flag_words(*command) << "' ;;\n";
  }
  out << "  esac\n"
         "  if [[ $current == -* ]]; then\n"
         "    COMPREPLY=($(compgen -W \"$flags\" -- \"$current\"))\n"
         "  else\n"
         "    COMPREPLY=($(compgen -f -- \"$current\"))\n"
         "  fi\n"
         "}\n"
         "complete -o filenames -F _litestream litestream\n";
}

void write_zsh(std::ostream& out) {
  out << "#compdef litestream\n"
         "# zsh completion for litestream: save it as _litestream in a folder of $fpath\n"
         "_litestream() {\n"
         "  local -a commands\n"
         "  commands=(\n";
  for (const Command* command : all_commands()) {
    out << "    '" << command->name << ':' << command->summary << "'\n";
  }
  out << "    'help:show help'\n"
         "  )\n"
         "  if (( CURRENT == 2 )); then\n"
         "    _describe 'command' commands\n"
         "    return\n"
         "  fi\n"
         "  case $words[2] in\n"
         "    help) _describe 'command' commands ;;\n";
  for (const Command* command : all_commands()) {
    out << "    " << command->name << ") _arguments '-help'";
    for (const FlagSpec& flag : command->flags) {
      out << " '-" << flag.name << (flag.kind == FlagKind::kValue ? ":value:_files'" : "'");
    }
    out << " '*:file:_files' ;;\n";
  }
  out << "  esac\n"
         "}\n"
         "compdef _litestream litestream\n";
}

void write_fish(std::ostream& out) {
  out << "# fish completion for litestream: save it as "
         "~/.config/fish/completions/litestream.fish\n";
  const std::string at_start = "complete -c litestream -n __fish_use_subcommand -f -a ";
  for (const Command* command : all_commands()) {
    out << at_start << command->name << " -d '" << command->summary << "'\n";
  }
  out << at_start << "help -d 'show help'\n";
  for (const Command* command : all_commands()) {
    for (const FlagSpec& flag : command->flags) {
      out << "complete -c litestream -n '__fish_seen_subcommand_from " << command->name << "' -o "
          << flag.name << (flag.kind == FlagKind::kValue ? " -r\n" : "\n");
    }
  }
}

int run(const ParsedArgs& args, Streams streams) {
  const std::string shell = args.positionals().size() == 1 ? args.positionals()[0] : "";
  if (shell == "bash") {
    write_bash(streams.out);
  } else if (shell == "zsh") {
    write_zsh(streams.out);
  } else if (shell == "fish") {
    write_fish(streams.out);
  } else {
    return usage_error(streams, "completion", "name a shell: bash, zsh or fish");
  }
  return kExitOk;
}

}  // namespace

const Command kCompletionCommand = {"completion",
                                    "print a script that makes a shell complete commands and flags",
                                    R"(Usage: litestream completion bash|zsh|fish

Prints a completion script for a shell.

Examples:
  source <(litestream completion bash)
  litestream completion fish > ~/.config/fish/completions/litestream.fish
)",
                                    {},
                                    run};

}  // namespace litestream
