#include "tests/support/s3_server.h"

#include <algorithm>
#include <ctime>

#include "tests/support/s3_request.h"
#include "tests/support/test_xml.h"

namespace litestream::test {
namespace {

constexpr size_t kLogLinesMax = 100'000;
constexpr size_t kRequestsKeptMax = 1000;

}  // namespace

S3Fault s3_error(int status, std::string code, std::string retry_after) {
  S3Fault fault;
  fault.status = status;
  fault.code = std::move(code);
  fault.retry_after = std::move(retry_after);
  return fault;
}

size_t S3Object::size() const {
  size_t total = 0;
  for (const BodyPiece& piece : body) total += piece.count;
  return total;
}

std::string S3Object::bytes() const {
  std::string out;
  for (const BodyPiece& piece : body) out.append(*piece.bytes, piece.offset, piece.count);
  return out;
}

S3Server::S3Server(S3Options options)
    : options_(std::move(options)), credentials_({options_.credentials}), habits_(options_.habits) {
  if (options_.is_tls) identity_ = make_tls_identity();
  buckets_[options_.bucket];
  wire_ = std::make_unique<WireServer>([this](const WireRequest& wire) { return handle(wire); },
                                       options_.is_tls ? &identity_ : nullptr);
}

S3Server::~S3Server() { stop(); }

std::string S3Server::localhost_url() const {
  return std::string(options_.is_tls ? "https" : "http") + "://localhost:" + std::to_string(port());
}

int64_t S3Server::now_s() const {
  return static_cast<int64_t>(std::time(nullptr)) + clock_offset_s_;
}

void S3Server::set_fault(FaultHook hook) {
  const std::lock_guard lock(mutex_);
  fault_hook_ = std::move(hook);
}

void S3Server::fail_next(S3Op op, S3Fault fault, int count) {
  const std::lock_guard lock(mutex_);
  auto& faults = next_faults_[op];
  faults.insert(faults.end(), static_cast<size_t>(count), fault);
}

void S3Server::clear_faults() {
  const std::lock_guard lock(mutex_);
  next_faults_.clear();
}

void S3Server::set_delete_error(std::function<std::string(const std::string&)> error_of_key) {
  const std::lock_guard lock(mutex_);
  delete_error_ = std::move(error_of_key);
}

void S3Server::set_habits(S3Habits habits) {
  const std::lock_guard lock(mutex_);
  habits_ = habits;
}

void S3Server::set_credentials(std::vector<S3Credentials> credentials) {
  const std::lock_guard lock(mutex_);
  credentials_ = std::move(credentials);
}

void S3Server::set_clock_offset_s(int64_t offset_s) {
  const std::lock_guard lock(mutex_);
  clock_offset_s_ = offset_s;
}

uint64_t S3Server::count(S3Op op) const {
  const std::lock_guard lock(mutex_);
  const auto found = counts_.find(op);
  return found == counts_.end() ? 0 : found->second;
}

uint64_t S3Server::request_count() const {
  const std::lock_guard lock(mutex_);
  uint64_t total = 0;
  for (const auto& [op, count] : counts_) total += count;
  return total;
}

int S3Server::parts_at_once_seen() const { return parts_at_once_seen_; }

std::vector<std::string> S3Server::log() const {
  const std::lock_guard lock(mutex_);
  return log_;
}

std::vector<S3Request> S3Server::requests(S3Op op) const {
  const std::lock_guard lock(mutex_);
  const auto found = requests_.find(op);
  return found == requests_.end() ? std::vector<S3Request>() : found->second;
}

void S3Server::forget_requests() {
  const std::lock_guard lock(mutex_);
  counts_.clear();
  log_.clear();
  requests_.clear();
}

void S3Server::put(const std::string& key, std::string bytes, HeaderList metadata) {
  const std::lock_guard lock(mutex_);
  S3Object object = s3_object_of(std::move(bytes));
  object.metadata = std::move(metadata);
  object.modified_s = now_s();
  buckets_[options_.bucket][key] = std::move(object);
}

std::optional<S3Object> S3Server::object(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const Bucket& bucket = buckets_.at(options_.bucket);
  const auto found = bucket.find(key);
  if (found == bucket.end()) return std::nullopt;
  return found->second;
}

bool S3Server::erase(const std::string& key) {
  const std::lock_guard lock(mutex_);
  return buckets_[options_.bucket].erase(key) > 0;
}

std::vector<std::string> S3Server::keys() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> keys;
  for (const auto& [key, object] : buckets_.at(options_.bucket)) keys.push_back(key);
  return keys;
}

size_t S3Server::upload_count() const {
  const std::lock_guard lock(mutex_);
  return uploads_.size();
}

void S3Server::put_upload(const std::string& key, int64_t age_s) {
  const std::lock_guard lock(mutex_);
  uploads_["upload/" + std::to_string(++upload_total_) + "+="] = {
      options_.bucket, key, {}, now_s() - age_s, {}};
}

void S3Server::add_bucket(const std::string& bucket) {
  const std::lock_guard lock(mutex_);
  buckets_[bucket];
}

void S3Server::clear() {
  const std::lock_guard lock(mutex_);
  for (auto& [name, bucket] : buckets_) bucket.clear();
  uploads_.clear();
}

std::optional<S3Fault> S3Server::next_fault(const S3Request& request) {
  FaultHook hook;
  {
    const std::lock_guard lock(mutex_);
    auto& faults = next_faults_[request.op];
    if (!faults.empty()) {
      const S3Fault fault = faults.front();
      faults.erase(faults.begin());
      return fault;
    }
    hook = fault_hook_;
  }
  return hook ? hook(request) : std::nullopt;
}

WireReply S3Server::handle(const WireRequest& wire) {
  S3Request request = read_s3_request(wire);
  {
    const std::lock_guard lock(mutex_);
    request.op_number = ++counts_[request.op];
    auto& kept = requests_[request.op];
    if (kept.size() == kRequestsKeptMax) kept.erase(kept.begin());
    kept.push_back(request);
    kept.back().wire.body.clear();
  }
  const bool is_part = request.op == S3Op::kUploadPart;
  if (is_part) {
    const int at_once = ++parts_at_once_;
    int seen = parts_at_once_seen_;
    while (seen < at_once && !parts_at_once_seen_.compare_exchange_weak(seen, at_once)) {
    }
  }
  WireReply reply = answer(request, next_fault(request));
  if (is_part) --parts_at_once_;
  const std::lock_guard lock(mutex_);
  reply.headers.emplace_back("Date", format_http_date(now_s()));
  if (log_.size() < kLogLinesMax) {
    const std::string* code = find_header(reply.headers, "x-test-code");
    log_.push_back(std::string(s3_op_name(request.op)) + " " + wire.method + " " + wire.target +
                   " -> " + std::to_string(reply.status) + (code ? " " + *code : ""));
  }
  return reply;
}

WireReply S3Server::answer(const S3Request& request, const std::optional<S3Fault>& fault) {
  using Kind = S3Fault::Kind;
  WireReply reply;
  if (!fault) return run(request);
  if (fault->kind == Kind::kError || fault->kind == Kind::kError200) {
    reply = refuse(request, {fault->status, fault->code, "as the test wants it"});
    if (fault->kind == Kind::kError200) reply.status = 200;
    if (!fault->retry_after.empty()) reply.headers.emplace_back("Retry-After", fault->retry_after);
    return reply;
  }
  if (fault->kind == Kind::kRaw) {
    reply.raw = fault->code;
  } else if (fault->kind == Kind::kLoseRequest) {
    reply.is_lost = true;
  } else if (fault->kind == Kind::kHang) {
    reply.hangs = true;
  } else {
    reply = run(request);
    if (fault->kind == Kind::kLoseReply) reply.is_lost = true;
    if (fault->kind == Kind::kCutBody) reply.cut_at = fault->byte_count;
    if (fault->kind == Kind::kStallBody) reply.stall_at = fault->byte_count;
    if (fault->kind == Kind::kShortBody) shorten_body(reply, fault->byte_count);
    if (fault->kind == Kind::kFlipBit) flip_body_bit(reply, fault->byte_count);
  }
  return reply;
}

WireReply S3Server::run(const S3Request& request) {
  const std::lock_guard lock(mutex_);
  if (const auto refusal = judge(request)) return refuse(request, *refusal);
  if (buckets_.count(request.bucket) == 0) {
    return refuse(request, {404, "NoSuchBucket", "The specified bucket does not exist"});
  }
  switch (request.op) {
    case S3Op::kPut: return run_put(request);
    case S3Op::kGet:
    case S3Op::kHead: return run_get(request);
    case S3Op::kList: return run_list(request);
    case S3Op::kDelete: return run_delete(request);
    case S3Op::kDeleteMany: return run_delete_many(request);
    case S3Op::kCreateMultipart: return run_create_multipart(request);
    case S3Op::kUploadPart: return run_upload_part(request);
    case S3Op::kCompleteMultipart: return run_complete_multipart(request);
    case S3Op::kAbortMultipart: return run_abort_multipart(request);
    case S3Op::kListMultipart: return run_list_multipart(request);
    case S3Op::kHeadBucket: {
      WireReply reply;
      reply.headers.emplace_back("x-amz-bucket-region", options_.region);
      return reply;
    }
    case S3Op::kOther: break;
  }
  return refuse(request, {501, "NotImplemented", "this server does not know that request"});
}

WireReply S3Server::refuse(const S3Request& request, const Refusal& refusal) const {
  std::string document = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>" +
                         xml_element("Code", refusal.code) +
                         xml_element("Message", refusal.message);
  if (refusal.code == "AuthorizationHeaderMalformed") {
    document += xml_element("Region", options_.region);
  }
  document += xml_element("Resource", "/" + request.bucket + "/" + request.key) +
              xml_element("RequestId", "TEST") + "</Error>";
  WireReply reply = text_reply(refusal.status, "application/xml", document);
  reply.headers.emplace_back("x-test-code", refusal.code);
  return reply;
}

}  // namespace litestream::test
