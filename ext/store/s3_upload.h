// One multipart upload: parts sent by a few threads while the next one is being filled.
//
// Memory: at most `concurrency` parts at once, the one that the caller fills included. Nothing is
// visible before complete(); whatever was not completed is aborted, as far as the store can be
// reached (check_writable() of a later run aborts what is left behind).
// Threading: one thread at a time; the workers are its own.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "ext/store/digest.h"
#include "ext/store/s3_client.h"

namespace litestream {

class S3Upload {
 public:
  // `client` outlives this. `headers` are those of the object (metadata, storage class).
  S3Upload(S3Client& client, std::string key, HttpHeaders headers);
  ~S3Upload();
  S3Upload(const S3Upload&) = delete;
  S3Upload& operator=(const S3Upload&) = delete;

  // Sends the next part, part_bytes of the options long unless it is the last. Returns once there
  // is room to fill another one. An error, also of an earlier part, is final.
  Status add_part(std::vector<uint8_t> part);
  // Waits for all parts.
  Status finish_parts();
  // Makes the object visible. `headers` carry the condition. The answer may be a refusal (412).
  Result<S3Answer> complete(const HttpHeaders& headers);

  // Of the parts so far, in order: what a repeated upload is recognised by.
  const std::vector<Sha256Digest>& part_digests() const { return digests_; }
  uint64_t size_bytes() const { return size_bytes_; }

 private:
  struct Part {
    int number = 0;  // from 1
    std::vector<uint8_t> bytes;
    Sha256Digest digest;
  };
  Status begin();
  void discard();
  void work();
  Result<std::string> send_part(const Part& part);
  void keep(const Part& part, const Result<std::string>& etag);
  Status wait_until_unsent_is(size_t count);
  void stop_workers();

  S3Client& client_;
  const std::string key_;
  const HttpHeaders headers_;
  std::string upload_id_;
  bool is_completed_ = false;
  std::vector<Sha256Digest> digests_;
  uint64_t size_bytes_ = 0;
  std::vector<std::thread> workers_;
  std::atomic<bool> is_stopping_{false};

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::deque<Part> waiting_;
  size_t unsent_count_ = 0;  // waiting or being sent
  std::vector<std::string> etags_;
  Status first_error_;
};

}  // namespace litestream
