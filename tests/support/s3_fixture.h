// An S3Store over an S3Server, as a test wants it.
#pragma once

#include <stdlib.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ext/store/s3_store.h"
#include "tests/support/s3_server.h"
#include "tests/support/temp_dir.h"
#include "tests/support/text_reader.h"
#include "tests/support/virtual_time.h"

namespace litestream::test {

// Stores opened while it lives trust the server's certificate, as they trust a company's: through
// AWS_CA_BUNDLE.
class TrustedServer {
 public:
  explicit TrustedServer(const S3Server& server) {
    const std::string path = write_text_file(dir_.file("ca.pem"), server.identity().ca_pem);
    ::setenv("AWS_CA_BUNDLE", path.c_str(), 1);
  }
  ~TrustedServer() { ::unsetenv("AWS_CA_BUNDLE"); }
  TrustedServer(const TrustedServer&) = delete;
  TrustedServer& operator=(const TrustedServer&) = delete;

 private:
  TempDir dir_;
};

struct S3Opening {
  std::string prefix = "app";
  std::string query;  // "&region=..." behind the endpoint
  // Beside the URL; keys of the server's first credentials unless `with_keys` is false.
  std::vector<std::pair<std::string, std::string>> settings;
  bool with_keys = true;
  bool is_virtual_host = false;
  StoreEnvironment environment = [](const std::string&) { return std::nullopt; };
  VirtualTime* time = nullptr;  // null: real time
  RetryPolicy policy;
  HttpLimits limits;
};

inline S3ClientParts s3_parts(const S3Server& server, const S3Opening& opening) {
  StoreSpec spec;
  const std::string endpoint = opening.is_virtual_host ? server.localhost_url() : server.url();
  spec.url = "s3://" + server.options().bucket + "/" + opening.prefix + "?endpoint=" + endpoint +
             (opening.is_virtual_host ? "&force-path-style=false" : "") + opening.query;
  spec.settings = opening.settings;
  if (opening.with_keys) {
    const S3Credentials& credentials = server.options().credentials;
    spec.settings.emplace_back("access-key-id", credentials.access_key);
    spec.settings.emplace_back("secret-access-key", credentials.secret_key);
  }
  S3ClientParts parts;
  auto options = resolve_s3_options(spec, opening.environment);
  if (!options.ok()) throw std::runtime_error(options.status().message());
  parts.options = *std::move(options);
  parts.fs = &posix_file_system();
  parts.environment = opening.environment;
  parts.policy = opening.policy;
  parts.limits = opening.limits;
  if (opening.time != nullptr) {
    parts.world = {opening.time, opening.time, 1};
  }
  return parts;
}

inline std::unique_ptr<S3Store> open_s3(const S3Server& server, const S3Opening& opening = {}) {
  return std::make_unique<S3Store>(s3_parts(server, opening));
}

// The key of a file of that level with min = max = txid.
inline std::string s3_key(int level, uint64_t min_txid, uint64_t max_txid,
                          const std::string& prefix = "app") {
  char name[80];
  std::snprintf(name, sizeof name, "/%04x/%016llx-%016llx.ltx", static_cast<unsigned>(level),
                static_cast<unsigned long long>(min_txid),
                static_cast<unsigned long long>(max_txid));
  return prefix + name;
}

}  // namespace litestream::test
