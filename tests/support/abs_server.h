// A strict Azure Blob Storage for tests, in this process: recomputes every SharedKey signature from
// the bytes of the request, or the signature of the SAS token in its query, and wants what the
// service wants: x-ms-version, x-ms-date, x-ms-blob-type, block ids of one length.
// Source: Microsoft's REST reference ("Authorize with Shared Key", "Create a service SAS", "Put
// Blob", "Put Block", "Put Block List", "Get Blob", "Delete Blob", "List Blobs").
// Threading: thread-safe.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/wire_server.h"

namespace litestream::test {

struct AbsOptions {
  std::string account = "testaccount";
  std::string key_base64 = "dGhlIHNlY3JldCBrZXkgb2YgdGhlIHRlc3QgYWNjb3VudC4uLg==";
  std::string container = "container";
  size_t list_page_max = 5000;
};

class AbsServer {
 public:
  explicit AbsServer(AbsOptions options = {});

  std::string url() const { return wire_->url(); }  // of the account: containers are below it
  const AbsOptions& options() const { return options_; }
  // A SAS token of the container for these permissions ("rcwdl"), valid from `start_s` to
  // `expiry_s`, seconds since the epoch; the query without '?'.
  std::string make_sas(const std::string& permissions, int64_t start_s, int64_t expiry_s) const;

  struct Call {
    std::string kind;  // "put", "block", "commit", "get", "delete", "list", "other"
    uint64_t number;   // of that kind, from 1
    WireRequest wire;
  };
  // An answer instead of the right one; `done` of it: the request is carried out all the same.
  struct Instead {
    WireReply reply;
    bool is_done = false;
  };
  using Hook = std::function<std::optional<Instead>(const Call&)>;
  void set_hook(Hook hook);
  static WireReply error(int status, const std::string& code);

  uint64_t count(const std::string& kind) const;
  std::vector<std::string> log() const;  // "kind METHOD target -> status code"
  std::map<std::string, std::string> blobs() const;
  void put(const std::string& name, std::string bytes);
  std::string metadata(const std::string& blob, const std::string& name) const;
  size_t uncommitted_block_count() const;
  void stop() { wire_->stop(); }

 private:
  struct Blob {
    std::string bytes;
    std::string etag;
    std::map<std::string, std::string> metadata;
    int64_t modified_s = 0;
  };
  struct Refusal {
    int status;
    std::string code;
  };
  WireReply handle(const WireRequest& wire);
  WireReply run(const Call& call);
  std::optional<Refusal> judge(const WireRequest& wire) const;
  std::optional<Refusal> judge_shared_key(const WireRequest& wire) const;
  std::optional<Refusal> judge_sas(const WireRequest& wire) const;
  std::optional<Refusal> judge_conditions(const WireRequest& wire, const Blob* existing) const;
  WireReply run_put(const WireRequest& wire, const std::string& name, std::string bytes);
  WireReply run_block(const WireRequest& wire, const std::string& name);
  WireReply run_commit(const WireRequest& wire, const std::string& name);
  WireReply run_get(const WireRequest& wire, const std::string& name);
  WireReply run_delete(const std::string& name);
  WireReply run_list(const WireRequest& wire);

  const AbsOptions options_;
  mutable std::mutex mutex_;
  Hook hook_;
  std::map<std::string, uint64_t> counts_;
  std::vector<std::string> log_;
  std::map<std::string, Blob> blobs_;
  std::map<std::string, std::map<std::string, std::string>> blocks_;  // blob, id -> bytes
  uint64_t etag_total_ = 0;
  std::unique_ptr<WireServer> wire_;  // last: its threads use the rest
};

}  // namespace litestream::test
