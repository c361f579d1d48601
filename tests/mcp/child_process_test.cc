// `replicate -exec`: words of a command, and a child's life and end.
#include "mcp/child_process.h"

#include <signal.h>

#include <catch2/catch.hpp>

#include "mcp/program_events.h"

namespace litestream {
namespace {

using Words = std::vector<std::string>;

Words words(const char* command) {
  const auto split = split_words(command);
  INFO(command);
  REQUIRE(split.ok());
  return *split;
}

// Waits for SIGCHLD, which the caller has blocked.
int end_of(ChildProcess& child) {
  int status = -1;
  while (!child.has_ended(&status)) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    const timespec pause{0, 50'000'000};
    ::sigtimedwait(&signals, nullptr, &pause);
  }
  return status;
}

TEST_CASE("exec: words as a shell would see them") {
  CHECK(words("app") == Words{"app"});
  CHECK(words("  app  -x\t1\n") == Words{"app", "-x", "1"});
  CHECK(words("app 'a b' \"c d\" e\\ f") == Words{"app", "a b", "c d", "e f"});
  CHECK(words("app -x='a b'c") == Words{"app", "-x=a bc"});
  CHECK(words("app \"\" ''") == Words{"app", "", ""});
  CHECK(words(R"(app "a\"b" "c\d" 'e\f' g\\)") == Words{"app", "a\"b", "c\\d", "e\\f", "g\\"});
  CHECK(words("app $HOME *") == Words{"app", "$HOME", "*"});
}

TEST_CASE("exec: commands that make no sense") {
  for (const char* command : {"", "  ", "app 'x", "app \"x", "'"}) {
    CHECK(split_words(command).status().code() == StatusCode::kInvalidArgument);
  }
  CHECK(ChildProcess::start("/no/such/program").status().code() == StatusCode::kNotFound);
}

TEST_CASE("exec: the child's status is told, whichever way it ends") {
  block_program_signals();
  auto done = ChildProcess::start("sh -c 'exit 7'");
  REQUIRE(done.ok());
  CHECK(end_of(*done) == 7);
  // Our mask and what we ignore are not the child's: it dies of SIGTERM.
  auto killed = ChildProcess::start("sleep 1000");
  REQUIRE(killed.ok());
  int status = -1;
  CHECK_FALSE(killed->has_ended(&status));
  killed->signal(SIGTERM);
  CHECK(end_of(*killed) == 128 + SIGTERM);
}

}  // namespace
}  // namespace litestream
