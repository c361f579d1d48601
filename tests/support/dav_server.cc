#include "tests/support/dav_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace litestream::test {
namespace {

constexpr int kStartsMax = 20;

// htpasswd's {SHA} of password().
constexpr char kPasswordLine[] = "tester:{SHA}xzANHZtdnLOS9y8Ks42qBcd9Jaw=\n";

std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void write_text(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// Free a moment ago; the server fails to start if it no longer is, and another is tried.
uint16_t likely_free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  const bool is_bound =
      ::bind(socket, generic, size) == 0 && ::getsockname(socket, generic, &size) == 0;
  ::close(socket);
  if (!is_bound) throw std::runtime_error("no free port on 127.0.0.1");
  return ntohs(address.sin_port);
}

bool answers(uint16_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  const bool is_open =
      ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(socket);
  return is_open;
}

}  // namespace

DavServer::DavServer(bool is_tls) : is_tls_(is_tls) {
  if (is_tls_) identity_ = make_tls_identity();
  std::filesystem::create_directory(root());
  std::filesystem::create_directory(dir_.file("state"));
  write_text(dir_.file("users"), kPasswordLine);
  write_text(dir_.file("certificate.pem"), identity_.certificate_pem);
  write_text(dir_.file("key.pem"), identity_.key_pem);
  for (const char* name : {"files", "state", "users"}) give_to_nobody(dir_.file(name));
  // The folder of a test belongs to its owner alone; the server must be able to pass through.
  std::filesystem::permissions(dir_.path(), std::filesystem::perms::owner_all |
                                                std::filesystem::perms::group_exec |
                                                std::filesystem::perms::others_exec);
  for (int i = 0; i < kStartsMax; ++i) {
    if (start()) return;
  }
  throw std::runtime_error("apache does not start: " + read_text(dir_.file("error.log")));
}

bool DavServer::start() {
  const uint16_t port = likely_free_port();
  write_configuration(port);
  ServerProcessOptions options;
  options.arguments = {"/usr/sbin/apache2",     "-d",          dir_.path(), "-f",
                       dir_.file("httpd.conf"), "-DFOREGROUND"};
  options.log_file = dir_.file("start.log");
  process_ = std::make_unique<ServerProcess>(options);
  for (int i = 0; i < 1000 && process_->is_running(); ++i) {
    if (answers(port) && std::filesystem::exists(dir_.file("state/httpd.pid"))) {
      port_ = port;
      return true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  process_.reset();
  return false;
}

void DavServer::write_configuration(uint16_t port) {
  std::string text;
  for (const char* module : {"mpm_event", "authn_core", "authn_file", "authz_core", "authz_user",
                             "auth_basic", "dav", "dav_fs", "ssl", "http2"}) {
    text += "LoadModule " + std::string(module) + "_module /usr/lib/apache2/modules/mod_" + module +
            ".so\n";
  }
  if (::geteuid() == 0) {
    text += "User #" + std::to_string(kNobody) + "\nGroup #" + std::to_string(kNobody) + "\n";
  }
  text += "ServerName localhost\nListen 127.0.0.1:" + std::to_string(port) + "\nPidFile " +
          dir_.file("state/httpd.pid") + "\nMutex file:" + dir_.file("state") + " default\n" +
          "ErrorLog " + dir_.file("error.log") + "\nLogFormat \"%H %r %>s %u\" all\nCustomLog " +
          dir_.file("access.log") + " all\nDavLockDB " + dir_.file("state/locks") +
          "\nStartServers 1\nThreadsPerChild 16\nMaxRequestWorkers 32\nServerLimit 2\n"
          "KeepAlive On\nMaxKeepAliveRequests 0\nProtocols h2 http/1.1\nDocumentRoot " +
          root() + "\n<Directory " + root() +
          ">\n  Dav On\n  AuthType Basic\n  AuthName test\n  AuthBasicProvider file\n"
          "  AuthUserFile " +
          dir_.file("users") + "\n  Require valid-user\n</Directory>\n";
  if (is_tls_) {
    text += "SSLEngine on\nSSLCertificateFile " + dir_.file("certificate.pem") +
            "\nSSLCertificateKeyFile " + dir_.file("key.pem") + "\nSSLSessionCache none\n";
  }
  write_text(dir_.file("httpd.conf"), text);
}

std::string DavServer::log() const { return read_text(dir_.file("access.log")); }

}  // namespace litestream::test
