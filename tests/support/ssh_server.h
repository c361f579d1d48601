// Debian's own sshd with its SFTP server, for one test: a process per connection behind a listener
// of ours on a free port, keys made for the occasion, a user `tester` whose password sshd learns
// through libnss_wrapper. Not root even where the tests are.
// Threading: thread-compatible.
#pragma once

#include <atomic>
#include <list>
#include <mutex>
#include <string>
#include <thread>

#include "tests/support/server_process.h"
#include "tests/support/temp_dir.h"

namespace litestream::test {

class SshServer {
 public:
  SshServer();
  ~SshServer();

  uint16_t port() const { return port_; }
  std::string authority() const { return "127.0.0.1:" + std::to_string(port_); }
  // A folder that `tester` may write.
  std::string root() const { return dir_.file("files"); }
  std::string user() const { return "tester"; }
  std::string password() const { return "correct horse/battery:staple"; }
  std::string key_path() const { return dir_.file("user"); }
  std::string stranger_key_path() const { return dir_.file("stranger"); }
  // "ssh-ed25519 AAAA..." of this server, and of nobody here.
  std::string host_key() const;
  std::string other_host_key() const;
  std::string host_key_sha256() const;  // 43 characters of base64, as `ssh-keygen -l` shows it
  std::string log() const;              // what sshd said
  int connection_count() const { return connection_count_; }
  // Ends all connections at once, as a network does.
  void drop_connections();

 private:
  void accept_loop();
  void write_configuration();

  TempDir dir_;
  int listener_ = -1;
  uint16_t port_ = 0;
  std::atomic<bool> is_stopping_{false};
  std::atomic<int> connection_count_{0};
  std::mutex mutex_;
  std::list<ServerProcess> sessions_;  // guarded by mutex_
  std::thread acceptor_;
};

}  // namespace litestream::test
