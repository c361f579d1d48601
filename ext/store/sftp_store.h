// A replica on an SFTP server: sftp://user[:password]@host[:port]/absolute/path.
//
// Credentials: `password` or `key-path` beside the URL, or a password in it; with both, the
// password also opens an encrypted key. The server must be who it is expected to be: `host-key` is
// its public key ("ssh-ed25519 AAAA...") or its fingerprint ("SHA256:..."); without one it must be
// in
// ~/.ssh/known_hosts. Nothing is sent to another. A file is uploaded under a temporary name and
// renamed, which SFTP servers refuse where the name is taken. Its time is set to that of its last
// commit, in seconds; listings tell it too roughly to be used. There is no lease: names fence.
// Source: draft-ietf-secsh-filexfer-02 as OpenSSH speaks it; libcurl's SFTP commands.
// Threading: values, pure functions; the tree is thread-safe.
#pragma once

#include <memory>
#include <string>

#include "ext/base/url.h"
#include "ext/store/remote_tree.h"
#include "ext/store/store_spec.h"

namespace litestream {

struct SftpOptions {
  std::string host_and_port;
  std::string root;  // "/a/b", or "" for the server's root
  std::string user_name;
  std::string password;
  std::string key_path;
  std::string host_key_sha256;  // base64 without padding; empty: known_hosts decides
  std::string known_hosts_path;
  bool concurrent_writes = true;  // false: one connection at a time
  std::string url;                // canonical, without secrets
};

// InvalidArgument says which part of the URL or which setting makes no sense or is missing.
Result<SftpOptions> resolve_sftp_options(const StoreSpec& spec,
                                         const StoreEnvironment& environment);

// The one spelling of an sftp URL.
Result<std::string> normalize_sftp_url(const Url& url, UrlSecrets secrets);

std::unique_ptr<RemoteTree> make_sftp_tree(SftpOptions options, RemoteParts parts);

// The entries of a long listing ("-rw-r--r--  1 u  g  89 Nov 22 15:35 name"), without "." and "..".
// Names with blanks and lines that make no sense are left out: none of ours is like that. Times
// are left 0.
std::vector<RemoteEntry> parse_long_listing(std::string_view text);

// "SHA256:..." or "type base64" of a host key -> base64 of the SHA-256 of the key, unpadded.
Result<std::string> host_key_fingerprint(std::string_view text);

}  // namespace litestream
