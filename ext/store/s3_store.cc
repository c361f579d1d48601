#include "ext/store/s3_store.h"

#include <algorithm>
#include <tuple>

#include "ext/base/clock.h"
#include "ext/base/limits.h"
#include "ext/ltx/file_name.h"
#include "ext/ltx/header.h"
#include "ext/store/parallel.h"
#include "ext/store/s3_listing.h"
#include "ext/store/v3_layout.h"

namespace litestream {
namespace {

constexpr size_t kReadBudgetBytes = 24 << 20;
constexpr size_t kTimesKeptMax = 200'000;
constexpr int kSmallRequestsAtOnce = 8;
constexpr std::string_view kTimeHeader = "x-amz-meta-litestream-timestamp";

Status check_file(const LtxFileInfo& file) {
  if (file.level < 0 || file.level > kLevelMax) {
    return invalid_argument("level " + std::to_string(file.level) + " is not 0..9");
  }
  if (file.min_txid.value == 0 || file.max_txid < file.min_txid) {
    return invalid_argument("TXIDs " + format_txid(file.min_txid) + ".." +
                            format_txid(file.max_txid) + " are not a range");
  }
  return {};
}

// The part of an object that tells its time.
class HeaderSink final : public ByteSink {
 public:
  Status append(Bytes bytes) override {
    const size_t count = std::min(bytes.size(), kLtxHeaderBytes - bytes_.size());
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(count));
    return {};
  }
  const std::vector<uint8_t>& bytes() const { return bytes_; }

 private:
  std::vector<uint8_t> bytes_;
};

std::string level_folder(int level) {
  const char digit = static_cast<char>('0' + level);  // 0..9: the same in hexadecimal
  return std::string("/000") + digit + "/";
}

}  // namespace

S3Store::S3Store(S3ClientParts parts) : client_(std::move(parts)), budget_(kReadBudgetBytes) {
  has_bulk_delete_.store(client_.options().provider->has_bulk_delete);
}

S3Store::~S3Store() = default;

const std::string& S3Store::type() const { return client_.options().type; }

const std::string& S3Store::url() const { return client_.options().url; }

void S3Store::set_interrupted(bool interrupted) { client_.set_interrupted(interrupted); }

// Upstream puts a slash before the level even where there is no prefix.
std::string S3Store::key_of(const LtxFileInfo& file) const {
  return client_.options().prefix + level_folder(file.level) +
         format_ltx_file_name({file.min_txid, file.max_txid});
}

std::string S3Store::below_root(std::string_view path) const {
  const std::string& prefix = client_.options().prefix;
  return prefix.empty() ? std::string(path) : prefix + "/" + std::string(path);
}

std::string S3Store::path_of(const LtxFileInfo& file) const {
  return client_.options().type + "://" + client_.options().bucket + "/" + key_of(file);
}

void S3Store::remember_time(const std::string& key, int64_t time_ms) {
  const std::lock_guard lock(mutex_);
  if (times_.size() >= kTimesKeptMax) times_.clear();
  times_[key] = time_ms;
}

std::optional<int64_t> S3Store::remembered_time(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = times_.find(key);
  return found == times_.end() ? std::nullopt : std::optional(found->second);
}

void S3Store::forget_time(const std::string& key) {
  const std::lock_guard lock(mutex_);
  times_.erase(key);
}

Result<std::vector<LtxFileInfo>> S3Store::list(int level) {
  if (level < 0 || level > kLevelMax) {
    return invalid_argument("level " + std::to_string(level) + " is not 0..9");
  }
  const std::string folder = client_.options().prefix + level_folder(level);
  LS_ASSIGN_OR_RETURN(const S3Listing listing, list_s3_objects(client_, folder, ""));
  std::vector<LtxFileInfo> files;
  files.reserve(listing.objects.size());
  for (const S3Object& object : listing.objects) {
    const auto name = parse_ltx_file_name(std::string_view(object.key).substr(folder.size()));
    if (!name.has_value()) continue;
    files.push_back({level, name->min_txid, name->max_txid, object.size_bytes,
                     remembered_time(object.key).value_or(object.modified_ms)});
  }
  std::sort(files.begin(), files.end(), [](const LtxFileInfo& a, const LtxFileInfo& b) {
    return std::tie(a.min_txid, a.max_txid) < std::tie(b.min_txid, b.max_txid);
  });
  // Pages that overlap tell of a file twice.
  files.erase(std::unique(files.begin(), files.end(),
                          [](const LtxFileInfo& a, const LtxFileInfo& b) {
                            return a.min_txid == b.min_txid && a.max_txid == b.max_txid;
                          }),
              files.end());
  return files;
}

Result<int64_t> S3Store::read_time(const LtxFileInfo& file) {
  HeaderSink sink;
  S3Call call;
  call.what = "read the time of";
  call.key = key_of(file);
  call.headers = {{"Range", "bytes=0-" + std::to_string(kLtxHeaderBytes - 1)}};
  call.is_encrypted = true;
  call.sink = &sink;
  LS_ASSIGN_OR_RETURN(const S3Answer answer, client_.expect_success(call));
  const auto told = parse_rfc3339_ms(answer.http.header(kTimeHeader));
  if (told.ok()) return told;
  // Copied by a tool that drops metadata: the file itself knows.
  const auto header = decode_header(sink.bytes());
  if (!header.ok()) return header.status().with_context(path_of(file));
  return header->timestamp;
}

Status S3Store::fill_times(std::span<LtxFileInfo> files) {
  for (const LtxFileInfo& file : files) LS_RETURN_IF_ERROR(check_file(file));
  return for_each_in_parallel(files.size(), kSmallRequestsAtOnce, [&](size_t index) -> Status {
    LtxFileInfo& file = files[index];
    const std::string key = key_of(file);
    if (const auto known = remembered_time(key)) {
      file.created_at_ms = *known;
      return {};
    }
    LS_ASSIGN_OR_RETURN(file.created_at_ms, read_time(file));
    remember_time(key, file.created_at_ms);
    return {};
  });
}

Result<std::unique_ptr<RandomReader>> S3Store::open(const LtxFileInfo& file) {
  LS_RETURN_IF_ERROR(check_file(file));
  std::unique_ptr<RandomReader> reader =
      std::make_unique<S3Reader>(client_, budget_, key_of(file), file.size_bytes);
  return reader;
}

Result<std::unique_ptr<LtxWriter>> S3Store::create(const LtxFileInfo& file) {
  LS_RETURN_IF_ERROR(check_file(file));
  S3WriterParts parts;
  parts.client = &client_;
  parts.budget = &budget_;
  parts.conditions = &conditions_;
  parts.key = key_of(file);
  parts.created_at_ms = file.created_at_ms;
  parts.on_written = [this, key = parts.key, time_ms = file.created_at_ms] {
    remember_time(key, time_ms);
  };
  std::unique_ptr<LtxWriter> writer = std::make_unique<S3Writer>(std::move(parts));
  return writer;
}

// One removal on its way: what is still to be tried, and what cannot be removed, with the reasons.
struct S3Store::Removal {
  struct Doomed {
    LtxFileInfo file;
    Status why;
  };
  std::map<std::string, Doomed> left;  // by key
  std::map<std::string, Doomed> stuck;
  Failure failure = Failure::kFinal;  // of what is left

  std::vector<std::string> keys() const {
    std::vector<std::string> all;
    for (const auto& [key, doomed] : left) all.push_back(key);
    return all;
  }
  void blame_all(const Status& why) {
    for (auto& [key, doomed] : left) doomed.why = why;
  }
  void give_up(const std::string& key) {
    auto node = left.extract(key);
    if (!node.empty()) stuck.insert(std::move(node));
  }
};

// What one key of a bulk removal came to.
void S3Store::take_outcome(const S3DeleteResult::Failure& outcome, Removal* removal) const {
  const auto found = removal->left.find(outcome.key);
  if (found == removal->left.end()) return;
  if (outcome.error.code == "NoSuchKey") {
    removal->left.erase(found);
    return;
  }
  S3Call about;
  about.what = "delete";
  about.key = outcome.key;
  S3Answer refusal;
  refusal.error = outcome.error;
  refusal.http.status = outcome.error.code == "AccessDenied" ? 403 : 200;
  found->second.why = client_.error_of(about, refusal);
  const Failure failure = classify_http(200, outcome.error.code);
  if (failure == Failure::kFinal) return removal->give_up(outcome.key);
  removal->failure = failure;
}

void S3Store::remove_in_one_request(Removal* removal) {
  const std::string body = format_delete(removal->keys());
  S3Call call;
  call.what = "delete from";
  call.method = "POST";
  call.query = {{"delete", ""}};
  call.headers = {{"Content-Type", "application/xml"}};
  call.body = as_bytes(body);
  call.has_body = true;
  call.wants_md5 = true;
  call.body_may_be_error = true;
  call.body_bytes_max = 4 << 20;
  removal->failure = Failure::kFinal;
  const auto answer = client_.expect_success(call);
  if (!answer.ok()) {
    // One by one works everywhere.
    if (answer.status().code() == StatusCode::kUnsupported) has_bulk_delete_.store(false);
    return removal->blame_all(answer.status());
  }
  const auto result = parse_delete_result(answer->http.body);
  if (!result.ok()) return removal->blame_all(result.status().with_context("s3: delete"));
  // A key of which the store says nothing counts as still there.
  for (const std::string& key : result->deleted) removal->left.erase(key);
  removal->blame_all(unavailable("s3: delete: the store did not tell the outcome of every key"));
  if (!removal->left.empty()) removal->failure = Failure::kTransient;
  for (const S3DeleteResult::Failure& outcome : result->failures) take_outcome(outcome, removal);
}

void S3Store::remove_one_by_one(Removal* removal) {
  const std::vector<std::string> keys = removal->keys();
  std::mutex mutex;
  const Status stopped =
      for_each_in_parallel(keys.size(), kSmallRequestsAtOnce, [&](size_t index) -> Status {
        S3Call call;
        call.what = "delete";
        call.method = "DELETE";
        call.key = keys[index];
        const Status status = client_.expect_success(call).status();
        const std::lock_guard lock(mutex);
        if (status.ok() || status.code() == StatusCode::kNotFound) {
          removal->left.erase(keys[index]);
          return {};
        }
        removal->left[keys[index]].why = status;
        // What holds for one key may not hold for the next; a stopped call ends it all.
        return client_.check_stopped();
      });
  if (!stopped.ok()) removal->blame_all(stopped);
  removal->failure = Failure::kFinal;  // each was tried as often as it was worth
}

Result<std::vector<LtxFileInfo>> S3Store::remove(std::span<const LtxFileInfo> files, Status* why) {
  if (files.size() > kS3KeysPerCall) return invalid_argument("at most 1000 files per removal");
  for (const LtxFileInfo& file : files) LS_RETURN_IF_ERROR(check_file(file));
  Removal removal;
  for (const LtxFileInfo& file : files) {
    const std::string key = key_of(file);
    removal.left[key] = {file, Status()};
    forget_time(key);
  }
  RetryLoop loop({}, client_.world(), [this] { return !client_.check_stopped().ok(); });
  while (!removal.left.empty()) {
    const bool in_one = has_bulk_delete_.load();
    if (in_one) {
      remove_in_one_request(&removal);
    } else {
      remove_one_by_one(&removal);
    }
    const bool learned_better = in_one != has_bulk_delete_.load();
    if (removal.left.empty() || learned_better) continue;
    if (!loop.wait_before_retry(removal.failure, std::nullopt)) break;
  }
  removal.left.merge(removal.stuck);
  std::vector<LtxFileInfo> remaining;
  Status first;
  for (const auto& [key, doomed] : removal.left) {
    remaining.push_back(doomed.file);
    if (first.ok()) first = doomed.why;
  }
  if (why != nullptr) *why = first;
  return remaining;
}

Result<std::vector<V3File>> S3Store::list_v3(const std::string& generation) {
  if (!is_v3_generation(generation)) {
    return invalid_argument("a v0.3 generation is 16 lower-case hex digits");
  }
  std::vector<V3File> files;
  for (const bool is_snapshot : {true, false}) {
    const std::string folder = below_root(v3_folder(generation, is_snapshot)) + "/";
    LS_ASSIGN_OR_RETURN(const S3Listing listing, list_s3_objects(client_, folder, ""));
    for (const S3Object& object : listing.objects) {
      const std::string_view name = std::string_view(object.key).substr(folder.size());
      auto file = parse_v3_name(generation, is_snapshot, name);
      if (!file.has_value()) continue;
      file->size_bytes = object.size_bytes;
      file->created_at_ms = object.modified_ms;
      files.push_back(std::move(*file));
    }
  }
  sort_v3_files(&files);
  return files;
}

Result<std::unique_ptr<RandomReader>> S3Store::open_v3(const V3File& file) {
  if (!is_v3_generation(file.generation) ||
      !parse_v3_name(file.generation, file.is_snapshot, file.name).has_value()) {
    return invalid_argument("not a file of a v0.3 backup");
  }
  const std::string key =
      below_root(v3_folder(file.generation, file.is_snapshot)) + "/" + file.name;
  std::unique_ptr<RandomReader> reader =
      std::make_unique<S3Reader>(client_, budget_, key, file.size_bytes);
  return reader;
}

Result<std::vector<GenerationInfo>> S3Store::list_generations() {
  const std::string folder = below_root("generations/");
  LS_ASSIGN_OR_RETURN(const S3Listing listing, list_s3_objects(client_, folder, "/"));
  std::vector<GenerationInfo> generations;
  for (std::string_view name : listing.prefixes) {
    name.remove_prefix(folder.size());
    if (name.ends_with('/')) name.remove_suffix(1);
    if (!is_v3_generation(name)) continue;
    LS_ASSIGN_OR_RETURN(const auto files, list_v3(std::string(name)));
    generations.push_back(summarize_generation(std::string(name), files));
  }
  std::sort(generations.begin(), generations.end(),
            [](const auto& a, const auto& b) { return a.generation < b.generation; });
  return generations;
}

}  // namespace litestream
