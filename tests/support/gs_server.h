// A strict Google Cloud Storage for tests, in this process: its XML API with the preconditions and
// resumable uploads of that API, judged by V4 HMAC signatures recomputed from the bytes of each
// request, or by access tokens that its own OAuth endpoint gave for a JWT whose RS256 signature and
// claims were right.
// Source: Cloud Storage reference ("V4 signing process", "XML API", "Resumable uploads"); "Using
// OAuth 2.0 for Server to Server Applications".
// Threading: thread-safe.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/tls_identity.h"
#include "tests/support/wire_server.h"

namespace litestream::test {

struct GsOptions {
  std::string bucket = "bucket";
  std::string access_key = "GOOGTESTTESTTESTTEST";
  std::string secret_key = "hmacSecretOfTheTests/+0123456789";
  std::string client_email = "tests@project.iam.gserviceaccount.com";
  size_t list_page_max = 1000;
  int64_t token_lifetime_s = 3600;
};

class GsServer {
 public:
  explicit GsServer(GsOptions options = {});

  std::string url() const { return wire_->url(); }
  const GsOptions& options() const { return options_; }
  // A service account's key file, as Google hands it out, for this server's OAuth endpoint.
  std::string service_account_json() const;

  struct Call {
    std::string
        kind;  // "put", "begin", "chunk", "cancel", "get", "delete", "list", "token", "other"
    uint64_t number;  // of that kind, from 1
    WireRequest wire;
  };
  // An answer instead of the right one; is_done: the request is carried out all the same.
  struct Instead {
    WireReply reply;
    bool is_done = false;
  };
  using Hook = std::function<std::optional<Instead>(const Call&)>;
  void set_hook(Hook hook);
  static WireReply error(int status, const std::string& code);
  void revoke_tokens();  // those given so far are 401 from now on
  // A chunk of a resumable upload is only kept up to so many bytes; 0: whole.
  void set_chunk_kept_max(size_t count);

  uint64_t count(const std::string& kind) const;
  std::vector<std::string> log() const;  // "kind METHOD target -> status code"
  std::map<std::string, std::string> objects() const;
  void put(const std::string& name, std::string bytes);
  std::string metadata(const std::string& object, const std::string& name) const;
  size_t upload_count() const;  // resumable uploads neither finished nor cancelled
  void stop() { wire_->stop(); }

 private:
  struct Object {
    std::string bytes;
    uint64_t generation = 0;
    std::map<std::string, std::string> metadata;
    int64_t modified_s = 0;
    std::string etag = "";
  };
  struct Upload {
    std::string name;
    std::string bytes;
    std::map<std::string, std::string> metadata;
    std::optional<uint64_t> generation_match;
  };
  struct Refusal {
    int status;
    std::string code;
  };
  WireReply handle(const WireRequest& wire);
  WireReply run(const Call& call);
  std::optional<Refusal> judge(const WireRequest& wire) const;
  std::optional<Refusal> judge_hmac(const WireRequest& wire) const;
  std::optional<Refusal> judge_match(std::optional<uint64_t> wanted, const std::string& name) const;
  WireReply store(const std::string& name, Object object);
  WireReply run_token(const WireRequest& wire);
  WireReply run_put(const WireRequest& wire, const std::string& name);
  WireReply run_begin(const WireRequest& wire, const std::string& name);
  WireReply run_chunk(const WireRequest& wire);
  WireReply run_get(const WireRequest& wire, const std::string& name);
  WireReply run_delete(const std::string& name);
  WireReply run_list(const WireRequest& wire);

  const GsOptions options_;
  const RsaKeyPair key_;
  mutable std::mutex mutex_;
  Hook hook_;
  size_t chunk_kept_max_ = 0;
  std::map<std::string, int64_t> tokens_;  // expiry, seconds since the epoch
  uint64_t token_total_ = 0;
  std::map<std::string, uint64_t> counts_;
  std::vector<std::string> log_;
  std::map<std::string, Object> objects_;
  std::map<std::string, Upload> uploads_;
  uint64_t generation_total_ = 1000;
  uint64_t upload_total_ = 0;
  std::unique_ptr<WireServer> wire_;  // last: its threads use the rest
};

}  // namespace litestream::test
