// Apache with its WebDAV modules for one test, on a free port of 127.0.0.1: Basic authentication,
// HTTP or HTTPS with HTTP/2. Not root even where the tests are.
// Threading: thread-compatible.
#pragma once

#include <memory>
#include <string>

#include "tests/support/server_process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tls_identity.h"

namespace litestream::test {

class DavServer {
 public:
  explicit DavServer(bool is_tls = false);

  std::string authority() const { return "127.0.0.1:" + std::to_string(port_); }
  std::string user() const { return "tester"; }
  std::string password() const { return "correct horse/battery:staple"; }
  std::string root() const { return dir_.file("files"); }  // what the server serves
  const TlsIdentity& identity() const { return identity_; }
  std::string log() const;  // one line per request: protocol, request line, status, user

 private:
  void write_configuration(uint16_t port);
  bool start();

  TempDir dir_;
  const bool is_tls_;
  TlsIdentity identity_;
  uint16_t port_ = 0;
  std::unique_ptr<ServerProcess> process_;
};

}  // namespace litestream::test
