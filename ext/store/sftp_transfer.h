// One SFTP request by libcurl, with the server's identity checked before anything is sent, tried
// again as far as that is worth it.
// Threading: thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "ext/store/http_client.h"
#include "ext/store/remote_tree.h"
#include "ext/store/sftp_store.h"

namespace litestream {

struct SftpCall {
  std::string what;                   // for messages: "list", "upload"
  std::string path;                   // absolute; with a slash at its end for a folder
  std::vector<std::string> commands;  // libcurl's, run before anything else
  bool has_transfer = true;           // else only the commands run, or the file is looked at
  RandomReader* body = nullptr;       // to be uploaded; the file is made, with its folders
  uint64_t body_bytes = 0;
  bool appends = false;  // the body, to what is there
  std::string range;     // "0-99", of a download
  ByteSink* sink = nullptr;
  size_t body_bytes_max = 1 << 20;
  // Called before every attempt but the first; an error ends the call. May change the call.
  std::function<Status(SftpCall* call)> before_retry;
};

struct SftpAnswer {
  std::string body;
  int64_t file_size_bytes = -1;  // of a download, or of a file that was looked at
};

class SftpTransfer {
 public:
  // `options` and what `parts` points to must outlive it.
  SftpTransfer(const SftpOptions& options, const RemoteParts& parts);

  // NotFound; Io: refused, by permissions, credentials or an unexpected host key; Unavailable.
  Result<SftpAnswer> perform(const SftpCall& call);
  void set_interrupted(bool interrupted) { http_.set_interrupted(interrupted); }
  Status check_stopped() const;

 private:
  Result<SftpAnswer> perform_once(const SftpCall& call);
  bool is_worth_another(const Status& status) const;

  const SftpOptions& options_;
  const RemoteParts& parts_;
  HttpClient http_;
  std::atomic<bool> has_logged_in_{false};
};

// `path` as an argument of a command: in quotes.
std::string quote_sftp_path(std::string_view path);

}  // namespace litestream
