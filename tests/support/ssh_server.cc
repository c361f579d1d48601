#include "tests/support/ssh_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <stdexcept>

#include "tests/support/test_hash.h"

namespace litestream::test {
namespace {

std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void write_text(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

// crypt(3), SHA-512, of password().
constexpr char kPasswordHash[] =
    "$6$litestream$AlvwORLFur3gpSY/"
    "MAZC3P7MaEmMrVACVfjqFCnQSh7HiipaSwnXuALjxjyDxjHxXViMluVXU8XaUJkKAxgWN1";

// "type base64" without the comment.
std::string without_comment(const std::string& key) {
  return key.substr(0, key.find(' ', key.find(' ') + 1));
}

}  // namespace

SshServer::SshServer() {
  write_configuration();
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (listener_ < 0 || ::bind(listener_, generic, size) != 0 || ::listen(listener_, 64) != 0 ||
      ::getsockname(listener_, generic, &size) != 0) {
    throw std::runtime_error("no free port on 127.0.0.1");
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_loop(); });
}

SshServer::~SshServer() {
  is_stopping_ = true;
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  ::close(listener_);
  drop_connections();
}

void SshServer::write_configuration() {
  for (const char* name : {"host", "other_host", "user", "stranger"}) {
    run_program({"/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f",
                 dir_.file(name)});
  }
  std::filesystem::create_directory(root());
  const bool is_root = ::geteuid() == 0;
  const std::string uid = std::to_string(is_root ? kNobody : ::geteuid());
  const std::string gid = std::to_string(is_root ? kNobody : ::getegid());
  write_text(dir_.file("passwd"), "tester:x:" + uid + ":" + gid + "::" + root() + ":/bin/sh\n");
  write_text(dir_.file("shadow"), "tester:" + std::string(kPasswordHash) + ":19000:0:99999:7:::\n");
  write_text(dir_.file("group"), "tester:x:" + gid + ":\n");
  std::filesystem::copy_file(dir_.file("user.pub"), dir_.file("authorized_keys"));
  write_text(dir_.file("sshd_config"),
             "HostKey " + dir_.file("host") + "\nAuthorizedKeysFile " +
                 dir_.file("authorized_keys") +
                 "\nPidFile none\nUsePAM no\nStrictModes no\nUseDNS no\nMaxStartups 100\n"
                 "PasswordAuthentication yes\nSubsystem sftp /usr/lib/openssh/sftp-server\n");
  give_to_nobody(dir_.path());
  for (const auto& entry : std::filesystem::directory_iterator(dir_.path())) {
    give_to_nobody(entry.path());
  }
}

void SshServer::accept_loop() {
  while (!is_stopping_) {
    const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) continue;
    ServerProcessOptions options;
    if (::geteuid() == 0) {
      const std::string nobody = std::to_string(kNobody);
      options.arguments = {"/usr/bin/setpriv", "--reuid=" + nobody, "--regid=" + nobody,
                           "--clear-groups"};
    }
    for (const std::string& argument :
         {std::string("/usr/sbin/sshd"), std::string("-i"), std::string("-e"), std::string("-f"),
          dir_.file("sshd_config")}) {
      options.arguments.push_back(argument);
    }
    options.environment = {
        "LD_PRELOAD=libnss_wrapper.so", "NSS_WRAPPER_PASSWD=" + dir_.file("passwd"),
        "NSS_WRAPPER_SHADOW=" + dir_.file("shadow"), "NSS_WRAPPER_GROUP=" + dir_.file("group")};
    options.stdin_fd = socket;
    options.stdout_fd = socket;
    options.log_file = dir_.file("log");
    ++connection_count_;
    {
      const std::lock_guard lock(mutex_);
      sessions_.remove_if([](ServerProcess& session) { return !session.is_running(); });
      sessions_.emplace_back(options);
    }
    ::close(socket);
  }
}

void SshServer::drop_connections() {
  const std::lock_guard lock(mutex_);
  sessions_.clear();
}

std::string SshServer::host_key() const {
  return without_comment(read_text(dir_.file("host.pub")));
}

std::string SshServer::other_host_key() const {
  return without_comment(read_text(dir_.file("other_host.pub")));
}

std::string SshServer::host_key_sha256() const {
  const std::string key = host_key();
  std::string text = base64(sha256(from_base64(key.substr(key.find(' ') + 1))));
  while (text.ends_with('=')) text.pop_back();
  return text;
}

std::string SshServer::log() const { return read_text(dir_.file("log")); }

}  // namespace litestream::test
