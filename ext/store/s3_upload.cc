#include "ext/store/s3_upload.h"

#include <algorithm>
#include <chrono>

#include "ext/base/thread.h"
#include "ext/store/call_limits.h"

namespace litestream {

S3Upload::S3Upload(S3Client& client, std::string key, HttpHeaders headers)
    : client_(client), key_(std::move(key)), headers_(std::move(headers)) {}

S3Upload::~S3Upload() {
  stop_workers();
  if (!upload_id_.empty() && !is_completed_) discard();
}

void S3Upload::stop_workers() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_.store(true);
    unsent_count_ -= waiting_.size();
    waiting_.clear();
  }
  changed_.notify_all();
  for (std::thread& worker : workers_) worker.join();
  workers_.clear();
}

Status S3Upload::begin() {
  S3Call call;
  call.what = "begin the upload of";
  call.method = "POST";
  call.key = key_;
  call.query = {{"uploads", ""}};
  call.headers = headers_;
  call.has_body = true;
  call.is_encrypted = true;
  LS_ASSIGN_OR_RETURN(const S3Answer answer, client_.expect_success(call));
  auto id = parse_upload_id(answer.http.body);
  if (!id.ok()) return id.status().with_context("s3: upload " + key_);
  upload_id_ = *std::move(id);
  return {};
}

void S3Upload::discard() {
  S3Call call;
  call.what = "abort the upload of";
  call.method = "DELETE";
  call.key = key_;
  call.query = {{"uploadId", upload_id_}};
  (void)client_.send(call).ok();  // best effort: a left-over costs space and nothing else
}

Result<std::string> S3Upload::send_part(const Part& part) {
  S3Call call;
  call.what = "upload a part of";
  call.method = "PUT";
  call.key = key_;
  call.query = {{"partNumber", std::to_string(part.number)}, {"uploadId", upload_id_}};
  call.body = part.bytes;
  call.has_body = true;
  call.is_data = true;
  call.is_encrypted = true;
  call.payload_sha256 = hex_encode(part.digest);
  LS_ASSIGN_OR_RETURN(const S3Answer answer, client_.expect_success(call));
  const std::string etag(answer.http.header("etag"));
  if (etag.empty()) return corrupt("s3: upload " + key_ + ": the store told no ETag of a part");
  return etag;
}

void S3Upload::keep(const Part& part, const Result<std::string>& etag) {
  const std::lock_guard lock(mutex_);
  --unsent_count_;
  if (etag.ok()) {
    etags_[static_cast<size_t>(part.number - 1)] = *etag;
  } else if (first_error_.ok()) {
    first_error_ = etag.status();
  }
}

void S3Upload::work() {
  // The limits of the caller end in its own waits; what it gives up is stopped here.
  const CallLimits limits(CallLimits::kNoDeadline, [this] { return is_stopping_.load(); });
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return is_stopping_.load() || !waiting_.empty(); });
    if (waiting_.empty()) return;
    const Part part = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    keep(part, send_part(part));
    changed_.notify_all();
    lock.lock();
  }
}

Status S3Upload::wait_until_unsent_is(size_t count) {
  constexpr auto kAskEvery = std::chrono::milliseconds(50);
  std::unique_lock lock(mutex_);
  const auto is_done = [&] { return unsent_count_ <= count || !first_error_.ok(); };
  while (!changed_.wait_for(lock, kAskEvery, is_done)) {
    lock.unlock();
    const Status stopped = client_.check_stopped();
    lock.lock();
    if (!stopped.ok() && first_error_.ok()) first_error_ = stopped;
  }
  return first_error_;
}

Status S3Upload::add_part(std::vector<uint8_t> bytes) {
  if (digests_.size() >= static_cast<size_t>(kS3PartCountMax)) {
    return unsupported("s3: upload " + key_ + ": more than 10000 parts; set a larger 'part-size'");
  }
  if (upload_id_.empty()) LS_RETURN_IF_ERROR(begin());
  Part part{static_cast<int>(digests_.size()) + 1, std::move(bytes), {}};
  part.digest = sha256(part.bytes);
  digests_.push_back(part.digest);
  size_bytes_ += part.bytes.size();
  const auto concurrency = static_cast<size_t>(client_.options().concurrency);
  {
    const std::lock_guard lock(mutex_);
    if (!first_error_.ok()) return first_error_;
    etags_.emplace_back();
    ++unsent_count_;
    if (workers_.size() < concurrency && unsent_count_ > workers_.size()) {
      std::thread worker;
      if (start_thread(&worker, [this] { work(); })) {
        workers_.push_back(std::move(worker));
      }
    }
    if (!workers_.empty()) waiting_.push_back(std::move(part));
  }
  if (workers_.empty()) {
    keep(part, send_part(part));  // no thread to be had
  } else {
    changed_.notify_all();
  }
  return wait_until_unsent_is(concurrency - 1);
}

Status S3Upload::finish_parts() { return wait_until_unsent_is(0); }

Result<S3Answer> S3Upload::complete(const HttpHeaders& headers) {
  LS_RETURN_IF_ERROR(finish_parts());
  const std::string body = format_complete(etags_);
  S3Call call;
  call.what = "complete the upload of";
  call.method = "POST";
  call.key = key_;
  call.query = {{"uploadId", upload_id_}};
  call.headers = headers;
  call.headers.push_back({"Content-Type", "application/xml"});
  call.body = as_bytes(body);
  call.has_body = true;
  call.body_may_be_error = true;
  LS_ASSIGN_OR_RETURN(S3Answer answer, client_.send(call));
  is_completed_ = answer.ok();
  return answer;
}

}  // namespace litestream
