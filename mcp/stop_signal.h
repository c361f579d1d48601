// SIGTERM and SIGINT as a thing to wait for.
//
// Block them before any thread starts, so that every thread inherits the mask and only wait() sees
// them.
// Threading: process-wide; call from the main thread.
#pragma once

namespace litestream {

void block_stop_signals();
// Returns the signal's number.
int wait_for_stop_signal();
// From here on the next stop signal ends the process at once, with status 1.
void exit_on_next_stop_signal();

}  // namespace litestream
