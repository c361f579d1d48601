#include "ext/store/s3_listing.h"

#include <set>

#include "ext/base/limits.h"

namespace litestream {
namespace {

constexpr size_t kPageBytesMax = 8 << 20;

class Lister {
 public:
  Lister(S3Client& client, const std::string& prefix, const std::string& delimiter)
      : client_(client), prefix_(prefix), delimiter_(delimiter) {}

  Result<S3Listing> run() {
    while (true) {
      LS_ASSIGN_OR_RETURN(S3ListPage page, next_page());
      LS_RETURN_IF_ERROR(take(page));
      if (!page.is_truncated) return std::move(listing_);
      LS_RETURN_IF_ERROR(move_on(page));
    }
  }

 private:
  Status bad(std::string_view what) const {
    return corrupt(client_.options().type + ": list " + client_.options().bucket + "/" + prefix_ +
                   ": " + std::string(what));
  }

  Result<S3ListPage> next_page() {
    S3Call call;
    call.what = "list";
    call.query = {
        {"list-type", "2"}, {"max-keys", std::to_string(kS3KeysPerCall)}, {"prefix", prefix_}};
    if (!delimiter_.empty()) call.query.emplace_back("delimiter", delimiter_);
    if (!token_.empty()) {
      call.query.emplace_back("continuation-token", token_);
    } else if (!after_.empty()) {
      call.query.emplace_back("start-after", after_);
    }
    call.body_bytes_max = kPageBytesMax;
    call.body_may_be_error = true;
    LS_ASSIGN_OR_RETURN(const S3Answer answer, client_.expect_success(call));
    auto page = parse_list_page(answer.http.body);
    if (!page.ok()) return bad(page.status().message());
    return page;
  }

  Status take(S3ListPage& page) {
    for (S3Object& object : page.objects) {
      if (!object.key.starts_with(prefix_)) return bad("the store lists objects elsewhere");
      if (last_key_ < object.key) last_key_ = object.key;
      listing_.objects.push_back(std::move(object));
    }
    for (std::string& folder : page.prefixes) {
      if (!folder.starts_with(prefix_)) return bad("the store lists folders elsewhere");
      if (last_key_ < folder) last_key_ = folder;
      listing_.prefixes.push_back(std::move(folder));
    }
    if (listing_.objects.size() + listing_.prefixes.size() > kListEntriesMax) {
      return bad("more than 4 million objects");
    }
    return {};
  }

  // Every page must lead further: a store that turns in circles would never let us end.
  Status move_on(const S3ListPage& page) {
    if (!page.next_token.empty()) {
      if (!tokens_.insert(page.next_token).second) return bad("a continuation token came again");
      token_ = page.next_token;
      return {};
    }
    // Some stores truncate without a token; then the last key says where to go on.
    token_.clear();
    if (last_key_ <= after_) return bad("a page that is not the last one leads nowhere");
    after_ = last_key_;
    return {};
  }

  S3Client& client_;
  const std::string prefix_;
  const std::string delimiter_;
  S3Listing listing_;
  std::string token_;
  std::string after_;
  std::string last_key_;
  std::set<std::string> tokens_;
};

}  // namespace

Result<S3Listing> list_s3_objects(S3Client& client, const std::string& prefix,
                                  const std::string& delimiter) {
  return Lister(client, prefix, delimiter).run();
}

}  // namespace litestream
