// A VFS on top of the default one that keeps every byte of a database and its -wal turned over, as
// an encrypting VFS would: whoever reads the files by their paths reads nonsense.
// Threading: register once; thread-safe afterwards.
#pragma once

#include <string>

namespace litestream::test {

enum class XorShm {
  kForwarded,
  kNone,  // as VFSes written before WAL existed: no shared memory, so no ordinary WAL mode
};

// Registers it under this name, not as the default.
void register_xor_vfs(const char* name, XorShm shm);

// What the bytes of such a file mean.
std::string xor_decoded(std::string bytes);

}  // namespace litestream::test
