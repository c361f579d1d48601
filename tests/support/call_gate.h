// Takes the place of link(), pwrite() and open() in the program it is linked into, so that a test
// can make a disk or a store that is a folder fail, lose replies, fill up, or hang. SQLite, a
// shared library, keeps the real ones.
//
// One rule per call; a call obeys it when its path contains the rule's text (of link() the new
// name). Nothing here waits for a clock: what is held stands still until it is let go.
// Threading: thread-safe.
#pragma once

#include <cstdint>
#include <string>

namespace litestream::test {

enum class GateCall { kLink, kWrite, kOpen };

enum class GateAction {
  kPass,
  kFail,       // ENOSPC, nothing done
  kLoseReply,  // the next one only: done, then EIO
  kKillAfter,  // done, then SIGKILL to this process
  kHold,       // stands still until let_pass() or open_gates()
  kQuota,      // `number` bytes may be written in all, then ENOSPC
};

void set_gate(GateCall call, const std::string& path_part, GateAction action, uint64_t number = 0);
// Everything passes again; what is held goes on.
void open_gates();
// Calls that stand still now.
int held_count();
// One call that stands still, or the next one to come, goes on.
void let_pass();
// Calls that obeyed the rule of `call` since it was set.
uint64_t gated_count(GateCall call);

// For SQL: "link", "write", "open" and "fail", "lose", "kill", "hold", "quota", "pass". False: no
// such word.
bool set_gate_by_name(const std::string& call, const std::string& path_part,
                      const std::string& action, uint64_t number);

}  // namespace litestream::test
