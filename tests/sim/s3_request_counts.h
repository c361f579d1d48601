// Requests as a bill has them.
#pragma once

#include <initializer_list>

#include "tests/support/s3_server.h"

namespace litestream::test {

// With a commit per second: 3600 L0 files, 120 + 12 + 1 of the levels, and 240 writes of the lease.
inline constexpr uint64_t kS3PutsPerHourMax = 3600 + 133 + 240;

struct S3RequestCounts {
  uint64_t put = 0;  // with everything about multipart uploads
  uint64_t get = 0;
  uint64_t list = 0;  // of keys and of uploads
  uint64_t head = 0;
  uint64_t remove = 0;
  uint64_t other = 0;
};

// Since the server's last forget_requests().
inline S3RequestCounts s3_request_counts(const S3Server& server) {
  const auto sum = [&](std::initializer_list<S3Op> ops) {
    uint64_t count = 0;
    for (const S3Op op : ops) count += server.count(op);
    return count;
  };
  S3RequestCounts out;
  out.put = sum({S3Op::kPut, S3Op::kCreateMultipart, S3Op::kUploadPart, S3Op::kCompleteMultipart,
                 S3Op::kAbortMultipart});
  out.get = sum({S3Op::kGet});
  out.list = sum({S3Op::kList, S3Op::kListMultipart});
  out.head = sum({S3Op::kHead, S3Op::kHeadBucket});
  out.remove = sum({S3Op::kDelete, S3Op::kDeleteMany});
  out.other = sum({S3Op::kOther});
  return out;
}

}  // namespace litestream::test
