#include "ext/engine/database_stream.h"

#include <algorithm>
#include <thread>

#include "ext/base/limits.h"
#include "ext/engine/stream_assemble.h"
#include "ext/engine/stream_gather.h"
#include "ext/engine/stream_state.h"
#include "ext/engine/worker_gang.h"
#include "ext/ltx/decoder.h"

namespace litestream {
namespace {

// Verifies files whole, newest first, to find one that is damaged.
class FindDamageWork final : public GangWork {
 public:
  explicit FindDamageWork(std::shared_ptr<StreamState> state, size_t begin, size_t end)
      : state_(std::move(state)), begin_(begin), next_(end) {}

  void work(int) override {
    while (true) {
      size_t index = 0;
      {
        const std::lock_guard lock(mutex_);
        if (next_ <= begin_ || found_ || stopped_) return;
        index = --next_;
      }
      if (state_->poll_now && !state_->poll_now().ok()) return;
      Status damage = verify(state_->plan.files[index]);
      if (damage.ok() || damage.code() == StatusCode::kCancelled) continue;
      const std::lock_guard lock(mutex_);
      if (!found_ || found_->file_index < index) found_ = StreamFailure{std::move(damage), index};
    }
  }
  void stop() override {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  std::optional<StreamFailure> found() {
    const std::lock_guard lock(mutex_);
    return found_;
  }

 private:
  Status verify(const LtxFileInfo& info) {
    LS_ASSIGN_OR_RETURN(const auto reader, state_->store.open(info));
    LS_ASSIGN_OR_RETURN(const auto decoder, LtxDecoder::open(*reader));
    while (true) {
      LS_ASSIGN_OR_RETURN(const auto page, decoder->next());
      if (!page) return {};
      if (is_stopped()) return cancelled("stopped");
    }
  }
  bool is_stopped() {
    const std::lock_guard lock(mutex_);
    return stopped_;
  }

  const std::shared_ptr<StreamState> state_;
  std::mutex mutex_;
  const size_t begin_;
  size_t next_;
  std::optional<StreamFailure> found_;
  bool stopped_ = false;
};

class DatabaseStream {
 public:
  DatabaseStream(LtxStore& store, const RestorePlan& plan, PageSink* pages, BlockSink* blocks,
                 const StreamOptions& options)
      : options_(options),
        state_(std::make_shared<StreamState>(store, plan, pages, blocks)),
        workers_(worker_count(store, options)) {
    if (workers_ == 1) state_->poll_now = [this] { return poll(); };
  }
  ~DatabaseStream() {
    state_->output.shut();
    // A worker that was left behind has none to read.
    if (workers_ == 1) state_->poll_now = nullptr;
  }
  DatabaseStream(const DatabaseStream&) = delete;
  DatabaseStream& operator=(const DatabaseStream&) = delete;

  void keep_frames_aside(FileSystem& fs, const std::string& spill_path) {
    const int open_elsewhere = 2 * workers_ + 3;  // what is at hand, the oldest file, output twice
    if (state_->store.type() == "file") {
      state_->standing_count_max =
          static_cast<size_t>(std::max(0, static_cast<int>(kFilesOpenMax) - open_elsewhere));
    }
    state_->pool = std::make_unique<FramePool>(fs, spill_path, kFramePoolBytesMax, workers_);
  }
  Result<StreamResult> run(StreamFailure* failure);

 private:
  static int worker_count(const LtxStore& store, const StreamOptions& options) {
    const int wanted = std::clamp(options.parallelism, 1, kParallelismMax);
    if (store.type() != "file") return wanted;
    const int processors = static_cast<int>(std::thread::hardware_concurrency());
    return std::clamp(wanted, 1, std::max(1, processors));
  }
  Status poll();
  Status run_work(const std::shared_ptr<GangWork>& work);
  void hold_base();
  Status gather();
  Status assemble();
  Status run_passes();
  StreamFailure explain(const Status& status);
  StreamFailure find_damage(const Status& otherwise, size_t begin, size_t end);

  const StreamOptions& options_;
  const std::shared_ptr<StreamState> state_;
  const int workers_;
};

Status DatabaseStream::poll() {
  if (options_.cancelled && options_.cancelled()) return cancelled("interrupted");
  const uint64_t total = state_->plan.size_bytes;
  if (options_.progress) {
    options_.progress(std::min<uint64_t>(state_->done_bytes, total), total);
  }
  return {};
}

// The error of polling, else what the work failed with.
Status DatabaseStream::run_work(const std::shared_ptr<GangWork>& work) {
  GangOptions options;
  options.worker_count = workers_;
  options.poll = [this] { return poll(); };
  options.owned_store = options_.owned_store;
  LS_RETURN_IF_ERROR(run_gang(work, options));
  const auto failure = state_->failure();
  return failure ? failure->status : Status();
}

// Retention may take the name of the oldest file at any moment; in a folder the file itself stays
// readable once it is open.
void DatabaseStream::hold_base() {
  if (state_->store.type() != "file") return;
  for (int i = 0; i < workers_; ++i) {
    auto reader = state_->store.open(state_->plan.files[0]);
    // Whatever is wrong comes up again when the file is read.
    if (!reader.ok() || !(*reader)->size_bytes().ok()) return;
    state_->base_readers.push_back(std::move(reader).value());
  }
}

Status DatabaseStream::gather() {
  LS_RETURN_IF_ERROR(run_work(std::make_shared<GatherWork>(state_)));
  if (state_->stopped()) return internal_error("a worker ended without a reason");
  if (!state_->chooser.is_complete()) {
    return corrupt("page " + std::to_string(state_->chooser.first_missing()) + " of " +
                   std::to_string(state_->chooser.shape().page_count) + " is in no file up to " +
                   format_txid(state_->plan.txid));
  }
  if (state_->pool) state_->pool->seal();
  return {};
}

Status DatabaseStream::assemble() {
  const bool has_nothing_left = !state_->base && !state_->output.takes_blocks();
  if (!has_nothing_left) {
    LS_RETURN_IF_ERROR(run_work(std::make_shared<AssembleWork>(state_)));
    if (state_->stopped()) return internal_error("a worker ended without a reason");
  }
  const Checksum expected = state_->expected();
  if (expected == 0 || (expected | kChecksumFlag) == state_->checksum()) return {};
  return corrupt("the database at " + format_txid(state_->plan.txid) +
                 " does not have the checksum its last file promises");
}

Status DatabaseStream::run_passes() {
  if (state_->plan.files.empty()) return invalid_argument("an empty restore plan");
  LS_RETURN_IF_ERROR(poll());
  hold_base();
  LS_RETURN_IF_ERROR(gather());
  LS_RETURN_IF_ERROR(assemble());
  state_->done_bytes = state_->plan.size_bytes;
  return poll();
}

// `otherwise` unless a file of begin..end-1 is damaged.
StreamFailure DatabaseStream::find_damage(const Status& otherwise, size_t begin, size_t end) {
  const auto work = std::make_shared<FindDamageWork>(state_, begin, end);
  GangOptions options;
  options.worker_count = workers_;
  options.poll = [this] { return poll(); };
  options.owned_store = options_.owned_store;
  const Status watched = run_gang(work, options);
  if (!watched.ok()) return {watched, std::nullopt};
  const auto found = work->found();
  if (!found) return {otherwise, std::nullopt};
  const LtxFileInfo& info = state_->plan.files[*found->file_index];
  return {found->status.with_context(state_->store.path_of(info)), found->file_index};
}

// Which file is to blame for `status`.
StreamFailure DatabaseStream::explain(const Status& status) {
  const auto failure = state_->failure();
  if (state_->sink_failed() || status.code() == StatusCode::kCancelled) {
    return {status, std::nullopt};
  }
  const std::vector<LtxFileInfo>& files = state_->plan.files;
  if (!failure || !failure->file_index) {
    // A wrong whole says nothing about which part is wrong.
    const bool is_whole = state_->chooser.begun() && state_->chooser.needs_whole_files();
    if (is_whole || status.code() != StatusCode::kCorrupt) return {status, std::nullopt};
    return find_damage(status, 0, files.size());
  }
  size_t culprit = *failure->file_index;
  if (status.code() == StatusCode::kPositionMismatch) {
    // Two headers disagree. The newer file is the stranger unless the older one is damaged.
    StreamFailure damage = find_damage(status, culprit, culprit + 1);
    if (damage.file_index || damage.status.code() == StatusCode::kCancelled) return damage;
    ++culprit;
  }
  return {status.with_context(state_->store.path_of(files[culprit])), culprit};
}

Result<StreamResult> DatabaseStream::run(StreamFailure* failure) {
  const Status status = run_passes();
  StreamFailure explained{status, std::nullopt};
  if (!status.ok()) explained = explain(status);
  if (failure != nullptr) *failure = explained;
  if (!status.ok()) return explained.status;
  return StreamResult{state_->chooser.shape(), state_->checksum()};
}

}  // namespace

Result<StreamResult> stream_database(LtxStore& store, const RestorePlan& plan, PageSink& sink,
                                     const StreamOptions& options, StreamFailure* failure) {
  DatabaseStream stream(store, plan, &sink, nullptr, options);
  return stream.run(failure);
}

Result<StreamResult> stream_database_blocks(LtxStore& store, const RestorePlan& plan,
                                            BlockSink& sink, FileSystem& fs,
                                            const std::string& spill_path,
                                            const StreamOptions& options, StreamFailure* failure) {
  DatabaseStream stream(store, plan, nullptr, &sink, options);
  stream.keep_frames_aside(fs, spill_path);
  return stream.run(failure);
}

}  // namespace litestream
