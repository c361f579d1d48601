// A double of the extension for tests of the program: the same names, columns and errors, over rows
// that never change. It is linked in the extension's place and has the extension's entry point.
//
// litestream_config(path) reads lines "db PATH", "mcp-addr ADDRESS", "log-level LEVEL", "mcp-x
// VALUE", "addr ADDRESS", "exec WORD", "socket.path PATH" and the like; any other line is an error.
// Every database and every URL has the same three LTX files;
// one with "empty" in its name has none, one with "many" a thousand. A name with "missing" in it
// does not start, restoring one with "slow" in it and stopping one with "stuck" in it last until
// interrupted, restoring one with "steady" in it takes a second, and one with "broken" in it fails
// its verification. Threading: thread-safe.
#pragma once

#include <string>
#include <vector>

namespace litestream::test {

// Registers the double with sqlite3_auto_extension, once per process.
void install_fake_extension();

// Makes databases known, as litestream_config() does, and forgets what was there.
void set_fake_databases(std::vector<std::string> paths);

// What litestream_config_value() answers for `key`.
void set_fake_value(const std::string& key, const std::string& value);

// What litestream_status says is on the replica.
void set_fake_replica_txid(const std::string& txid);

// Restores that wait to be interrupted now.
int fake_waiting_count();

// Until the next set_fake_databases() litestream_restore() says it restored, and writes nothing:
// for inputs that could name any file.
void forbid_fake_restore_writes();

}  // namespace litestream::test
