#include "mcp/child_process.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

extern char** environ;

namespace litestream {
namespace {

constexpr size_t kWordCountMax = 1000;

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n'; }

// One word at the front of `text`, which does not begin with a blank.
Result<std::string> take_word(std::string_view& text) {
  std::string word;
  char quote = '\0';
  while (!text.empty() && (quote != '\0' || !is_blank(text.front()))) {
    const char c = text.front();
    text.remove_prefix(1);
    if (c == quote) {
      quote = '\0';
    } else if (quote == '\0' && (c == '\'' || c == '"')) {
      quote = c;
    } else if (c == '\\' && quote != '\'' && !text.empty()) {
      // Between double quotes a backslash means itself before most characters.
      const char next = text.front();
      if (quote == '"' && next != '"' && next != '\\') word += c;
      word += next;
      text.remove_prefix(1);
    } else {
      word += c;
    }
  }
  if (quote != '\0')
    return invalid_argument("the command to execute has a quote that is not closed");
  return word;
}

}  // namespace

Result<std::vector<std::string>> split_words(std::string_view command) {
  std::vector<std::string> words;
  while (true) {
    while (!command.empty() && is_blank(command.front())) command.remove_prefix(1);
    if (command.empty()) break;
    if (words.size() == kWordCountMax) {
      return invalid_argument("the command to execute has too many words");
    }
    LS_ASSIGN_OR_RETURN(std::string word, take_word(command));
    words.push_back(std::move(word));
  }
  if (words.empty()) return invalid_argument("the command to execute is empty");
  return words;
}

Result<ChildProcess> ChildProcess::start(std::string_view command) {
  LS_ASSIGN_OR_RETURN(auto words, split_words(command));
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigset_t ours;  // what we ignore or wait for
  sigemptyset(&none);
  sigemptyset(&ours);
  for (const int number : {SIGTERM, SIGINT, SIGCHLD, SIGPIPE}) sigaddset(&ours, number);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &ours);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  pid_t pid = -1;
  const int error = ::posix_spawnp(&pid, argv[0], nullptr, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) return errno_status(error, "execute " + words[0]);
  return ChildProcess(pid);
}

void ChildProcess::signal(int number) const {
  if (pid_ > 0) ::kill(pid_, number);
}

bool ChildProcess::has_ended(int* exit_status) {
  if (pid_ <= 0) return true;
  int status = 0;
  const pid_t ended = ::waitpid(pid_, &status, WNOHANG);
  if (ended != pid_ && !(ended < 0 && errno == ECHILD)) return false;
  pid_ = -1;
  *exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return true;
}

}  // namespace litestream
