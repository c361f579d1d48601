// Writes one object that nobody else may have written: a single PUT up to the part size, a
// multipart upload above it.
//
// Create-only by `If-None-Match: *`. When the name is taken, the content decides: the same bytes
// mean that an earlier attempt arrived, also one whose reply was lost. A store that does not know
// the condition is asked for the name first, which leaves a small window.
// Threading: one thread at a time.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ext/store/ltx_store.h"
#include "ext/store/s3_client.h"
#include "ext/store/s3_reader.h"
#include "ext/store/s3_upload.h"

namespace litestream {

// What a store honours. Thread-safe.
struct S3Conditions {
  std::atomic<bool> create_only{true};  // If-None-Match: *
  std::atomic<bool> if_match{true};     // If-Match, on PUT
  std::atomic<bool> is_probed{false};
};

struct S3WriterParts {
  S3Client* client = nullptr;  // these three outlive the writer
  ReadBudget* budget = nullptr;
  S3Conditions* conditions = nullptr;
  std::string key;
  int64_t created_at_ms = 0;
  std::function<void()> on_written;  // after a successful commit
};

class S3Writer final : public LtxWriter {
 public:
  explicit S3Writer(S3WriterParts parts);
  ~S3Writer() override;
  Status append(Bytes bytes) override;
  // Ok, AlreadyExists (other content), or errors of S3Client. Unavailable leaves it open whether
  // the object is there: write the same bytes again.
  Status commit() override;

 private:
  enum class Existing { kNone, kSame, kOther };
  HttpHeaders object_headers() const;
  Status flush_part();
  Result<S3Answer> send_all();
  Status put();
  Result<Existing> compare_with_existing();
  Status settle_taken_name();

  const S3WriterParts parts_;
  std::vector<uint8_t> buffer_;  // what no part holds yet
  uint64_t size_bytes_ = 0;
  std::unique_ptr<S3Upload> upload_;  // above one part
  Status failed_;
};

}  // namespace litestream
