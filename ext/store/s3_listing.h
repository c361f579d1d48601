// Complete listings of what begins with a prefix, page after page, or an error.
// Threading: free functions.
#pragma once

#include <string>
#include <vector>

#include "ext/store/s3_client.h"

namespace litestream {

struct S3Listing {
  std::vector<S3Object> objects;      // in the order of the store, which may be any
  std::vector<std::string> prefixes;  // with a delimiter: what stands in for everything below it
};

// Every object whose key begins with `prefix`; with `delimiter` "/" only those directly there.
// Corrupt: a page that makes no sense, objects elsewhere, a token that comes again, more than
// kListEntriesMax entries. InvalidArgument: no such bucket. Else errors of S3Client.
Result<S3Listing> list_s3_objects(S3Client& client, const std::string& prefix,
                                  const std::string& delimiter);

}  // namespace litestream
