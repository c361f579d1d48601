// The XML answers of the S3 API, typed. What a well-behaved server always sends is required: a list
// page that does not say whether it is the last one is no list page.
// Source: Amazon S3 API reference.
// Threading: values, pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "ext/base/status.h"

namespace litestream {

struct S3Object {
  std::string key;
  uint64_t size_bytes = 0;
  int64_t modified_ms = 0;  // LastModified, milliseconds since the Unix epoch
};

struct S3ListPage {
  std::vector<S3Object> objects;
  std::vector<std::string> prefixes;  // CommonPrefixes
  bool is_truncated = false;
  std::string next_token;  // may be empty on old servers
};

struct S3Error {
  std::string code;     // "NoSuchKey"; empty if the body was no error document
  std::string message;  // for people; made printable, at most 256 bytes
  std::string region;   // where the bucket is, when the error is about that
};

struct S3DeleteResult {
  std::set<std::string> deleted;
  struct Failure {
    std::string key;
    S3Error error;
  };
  std::vector<Failure> failures;
};

struct S3PendingUpload {
  std::string key;
  std::string upload_id;
  int64_t initiated_ms = 0;
};

// Corrupt if `body` is not what its name says; an <Error> document in its place is Corrupt too (ask
// parse_s3_error first where a 200 may carry one).
Result<S3ListPage> parse_list_page(std::string_view body);
Result<S3DeleteResult> parse_delete_result(std::string_view body);
Result<std::string> parse_upload_id(std::string_view body);
// Uploads in progress of a ListMultipartUploads page.
Result<std::vector<S3PendingUpload>> parse_uploads(std::string_view body);
// Nothing if `body` is no <Error> document.
std::optional<S3Error> parse_s3_error(std::string_view body);

// Body of DeleteObjects, asking for every key's outcome.
std::string format_delete(const std::vector<std::string>& keys);
// Body of CompleteMultipartUpload; etags[0] is that of part 1.
std::string format_complete(const std::vector<std::string>& etags);

}  // namespace litestream
