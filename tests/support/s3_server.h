// A strict S3 for tests, in this process: keeps objects in memory, recomputes every signature from
// the bytes of the request (sigv4_check.h), and refuses what some provider somewhere refuses:
// unsigned requests, unsigned x-amz-* headers, a signed Accept-Encoding, chunked bodies, bodies
// without a length or with another hash than claimed, checksum headers and trailers, queries that
// are not sorted or lack '='. Path style, and virtual-host style under `localhost`.
// Faults and habits of providers are switched on per test.
// Threading: thread-safe.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/support/tls_identity.h"
#include "tests/support/wire_server.h"

namespace litestream::test {

enum class S3Op {
  kPut,
  kGet,
  kHead,
  kList,
  kDelete,
  kDeleteMany,
  kCreateMultipart,
  kUploadPart,
  kCompleteMultipart,
  kAbortMultipart,
  kListMultipart,
  kHeadBucket,
  kOther,
};
const char* s3_op_name(S3Op op);

struct S3Request {
  S3Op op = S3Op::kOther;
  uint64_t op_number = 0;  // 1 for the first request of that op
  std::string bucket;
  std::string key;
  std::map<std::string, std::string> query;  // decoded
  std::string access_key;                    // of the claim; "" if unsigned
  WireRequest wire;
};

// What goes wrong with one request.
struct S3Fault {
  enum class Kind {
    kError,        // `status` and an error document, nothing is done
    kRaw,          // `code` is the whole answer, byte for byte
    kLoseRequest,  // the connection ends, nothing is done
    kLoseReply,    // it is done, then the connection ends
    kHang,         // nothing is done, nothing is answered
    kCutBody,      // the connection ends after `byte_count` bytes of the body
    kStallBody,    // nothing follows after that many bytes
    kShortBody,    // 200/206 whose Content-Length tells of only that many bytes
    kFlipBit,      // one bit of the body at `byte_count` is wrong
    kError200,     // it is not done, but the status is 200 over an error document
  };
  Kind kind = Kind::kError;
  int status = 503;
  std::string code = "SlowDown";
  std::string retry_after;  // the header, if not empty
  size_t byte_count = 0;
};
S3Fault s3_error(int status, std::string code, std::string retry_after = "");

struct S3Credentials {
  std::string access_key = "TESTACCESSKEYTEST";
  std::string secret_key = "the/secret+of=the.tests/0123456789";
  std::string session_token;  // required when not empty
  bool is_expired = false;
};

// Habits of providers.
struct S3Habits {
  bool ignores_if_none_match = false;
  bool ignores_if_match = false;
  bool refuses_conditions = false;    // 501 NotImplemented
  bool needs_signed_payload = false;  // UNSIGNED-PAYLOAD is refused
  bool needs_path_style = false;
  bool needs_md5_on_delete_many = true;  // OCI; AWS unless there is a checksum header
  bool refuses_content_md5 = false;      // Tigris
  bool needs_tigris_consistent = false;  // without that header, reads do not see new objects
  bool lacks_delete_many = false;        // 501
  bool ignores_range = false;            // 200 and everything
  bool lists_unsorted = false;
  bool repeats_token = false;  // the second page's token is the first page's
  bool loses_token = false;    // IsTruncated without a token
  bool hides_user_metadata = false;
  int parts_at_once_max = 0;   // R2; 0: any
  int64_t put_spacing_ms = 0;  // Backblaze: of PUTs to a key closer than that, the first wins
  size_t list_page_max = 1000;
  size_t part_bytes_min = 5 << 20;  // of all but the last
  int new_object_hidden_lists = 0;  // listings that do not show an object yet
  int new_object_hidden_gets = 0;   // GETs and HEADs that do not see it yet
};

struct S3Options {
  std::string region = "us-east-1";
  bool is_tls = false;
  std::string bucket = "bucket";
  S3Credentials credentials;
  S3Habits habits;
};

struct S3Object {
  std::vector<BodyPiece> body;
  std::string etag;     // with its quotes
  HeaderList metadata;  // x-amz-meta-*, x-amz-storage-class, encryption headers; lower case
  std::string customer_key_md5;
  int64_t modified_s = 0;
  std::chrono::steady_clock::time_point put_at;
  int hidden_lists = 0;
  int hidden_gets = 0;

  size_t size() const;
  std::string bytes() const;
};

class S3Server {
 public:
  explicit S3Server(S3Options options = {});
  ~S3Server();

  // http(s)://127.0.0.1:port; for virtual-host style http(s)://localhost:port.
  std::string url() const { return wire_->url(); }
  std::string localhost_url() const;
  uint16_t port() const { return wire_->port(); }
  const S3Options& options() const { return options_; }
  const TlsIdentity& identity() const { return identity_; }  // empty texts without TLS
  WireServer& wire() { return *wire_; }
  uint64_t connection_count() const { return wire_->connection_count(); }
  std::string wire_authority() const { return wire_->authority(); }
  void stop() { wire_->stop(); }

  // Called once per request before anything is done; returns what goes wrong, if anything.
  using FaultHook = std::function<std::optional<S3Fault>(const S3Request&)>;
  void set_fault(FaultHook hook);
  // The next `count` requests of that kind go wrong.
  void fail_next(S3Op op, S3Fault fault, int count = 1);
  void clear_faults();  // of fail_next()
  // The error code a bulk or single delete has for a key; "" deletes it.
  void set_delete_error(std::function<std::string(const std::string& key)> error_of_key);
  void set_habits(S3Habits habits);
  void set_credentials(std::vector<S3Credentials> credentials);  // replaces all
  void set_clock_offset_s(int64_t offset_s);                     // the server's clock - ours

  uint64_t count(S3Op op) const;
  uint64_t request_count() const;  // of all ops
  int parts_at_once_seen() const;
  // One line per request: "op METHOD target -> status [code]"; at most 100000.
  std::vector<std::string> log() const;
  // All requests of that op so far; at most the newest 1000 are kept. Bodies are dropped.
  std::vector<S3Request> requests(S3Op op) const;
  void forget_requests();  // counts, log and requests begin anew

  // Direct access; no faults apply. Keys of the default bucket.
  void put(const std::string& key, std::string bytes, HeaderList metadata = {});
  std::optional<S3Object> object(const std::string& key) const;
  bool erase(const std::string& key);
  std::vector<std::string> keys() const;
  size_t upload_count() const;  // multipart uploads neither completed nor aborted
  // Such an upload, begun so long ago.
  void put_upload(const std::string& key, int64_t age_s);
  void add_bucket(const std::string& bucket);
  void clear();

 private:
  struct Upload {
    std::string bucket;
    std::string key;
    HeaderList headers;  // of the request that began it
    int64_t begun_s = 0;
    std::map<int, S3Object> parts;
  };
  struct Refusal {
    int status = 0;
    std::string code;
    std::string message;
  };
  using Bucket = std::map<std::string, S3Object>;

  WireReply handle(const WireRequest& wire);
  WireReply answer(const S3Request& request, const std::optional<S3Fault>& fault);
  WireReply run(const S3Request& request);
  std::optional<S3Fault> next_fault(const S3Request& request);
  std::optional<Refusal> judge(const S3Request& request) const;
  std::optional<Refusal> judge_signature(const S3Request& request) const;
  std::optional<Refusal> judge_headers(const S3Request& request) const;
  std::optional<Refusal> judge_conditions(const S3Request& request, const S3Object* existing) const;
  std::optional<Refusal> judge_customer_key(const S3Request& request) const;

  WireReply run_put(const S3Request& request);
  WireReply run_get(const S3Request& request);
  WireReply run_list(const S3Request& request);
  WireReply run_delete(const S3Request& request);
  WireReply run_delete_many(const S3Request& request);
  WireReply run_create_multipart(const S3Request& request);
  WireReply run_upload_part(const S3Request& request);
  WireReply run_complete_multipart(const S3Request& request);
  WireReply run_abort_multipart(const S3Request& request);
  WireReply run_list_multipart(const S3Request& request);
  WireReply refuse(const S3Request& request, const Refusal& refusal) const;
  S3Object* find(const S3Request& request, bool counts_as_get);
  void store(Bucket& bucket, const std::string& key, S3Object object);
  int64_t now_s() const;

  S3Options options_;
  TlsIdentity identity_;
  mutable std::mutex mutex_;  // everything below
  FaultHook fault_hook_;
  std::map<S3Op, std::vector<S3Fault>> next_faults_;
  std::function<std::string(const std::string&)> delete_error_;
  std::vector<S3Credentials> credentials_;
  S3Habits habits_;
  int64_t clock_offset_s_ = 0;
  std::map<S3Op, uint64_t> counts_;
  std::vector<std::string> log_;
  std::map<S3Op, std::vector<S3Request>> requests_;
  std::map<std::string, Bucket> buckets_;
  std::map<std::string, Upload> uploads_;
  uint64_t upload_total_ = 0;
  std::atomic<int> parts_at_once_{0};
  std::atomic<int> parts_at_once_seen_{0};
  std::unique_ptr<WireServer> wire_;  // last: its threads use the rest
};

}  // namespace litestream::test
