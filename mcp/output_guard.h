// Where a tool may write. A client names the file; what it names is followed to where it really
// leads before anything is written.
// Threading: pure, apart from looking at the file system.
#pragma once

#include <string>

#include "ext/base/status.h"

namespace litestream {

// The path to write: absolute, and with `restore_dir`, to which a relative `output` is then
// relative, really below that folder: no "..", no symbolic link that leads out, and not a symbolic
// link itself. InvalidArgument says what to choose instead. "" for `restore_dir`: any path.
Result<std::string> guarded_output(const std::string& output, const std::string& restore_dir);

}  // namespace litestream
