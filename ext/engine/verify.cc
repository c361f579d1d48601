#include "ext/engine/verify.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "ext/base/limits.h"
#include "ext/engine/plan_times.h"
#include "ext/engine/restore_plan.h"
#include "ext/engine/stream_state.h"
#include "ext/engine/worker_gang.h"
#include "ext/ltx/decoder.h"

namespace litestream {
namespace {

// What a file says about the database at one TXID.
struct State {
  uint32_t page_size = 0;
  Checksum checksum = 0;  // 0: unknown
  std::string path;       // of the file that says so
};

// Reads files whole, several at a time.
class ReadWork final : public GangWork {
 public:
  ReadWork(LtxStore& store, std::vector<LtxFileInfo> files)
      : store_(store), files_(std::move(files)), summaries_(files_.size(), LtxSummary{}) {}

  void work(int) override {
    while (true) {
      const size_t index = next_++;
      if (index >= files_.size() || !check().ok()) return;
      summaries_[index] = read(files_[index]);
      done_bytes_ += files_[index].size_bytes;
    }
  }
  void stop() override { stopped_ = true; }
  uint64_t done_bytes() const { return done_bytes_; }
  void set_poll(std::function<Status()> poll) { poll_ = std::move(poll); }
  Status polled() const { return polled_; }
  const std::vector<LtxFileInfo>& files() const { return files_; }
  const Result<LtxSummary>& summary(size_t index) const { return summaries_[index]; }

 private:
  // Without workers the calling thread asks the caller itself.
  Status check() {
    if (stopped_) return cancelled("stopped");
    if (poll_ && polled_.ok()) polled_ = poll_();
    return polled_;
  }
  Result<LtxSummary> read(const LtxFileInfo& info);

  LtxStore& store_;
  const std::vector<LtxFileInfo> files_;
  std::vector<Result<LtxSummary>> summaries_;
  std::atomic<size_t> next_{0};
  std::atomic<uint64_t> done_bytes_{0};
  std::atomic<bool> stopped_{false};
  std::function<Status()> poll_;
  Status polled_;
};

Result<LtxSummary> ReadWork::read(const LtxFileInfo& info) {
  PlanFile file;
  LS_RETURN_IF_ERROR(open_plan_file(store_, info, false, &file));
  LS_ASSIGN_OR_RETURN(const auto decoder, LtxDecoder::open(file.reader(), kCopyChunkBytes));
  while (true) {
    LS_RETURN_IF_ERROR(check());
    LS_ASSIGN_OR_RETURN(const auto page, decoder->next());
    if (!page) break;
  }
  const LtxHeader& header = decoder->header();
  if (header.min_txid != info.min_txid || header.max_txid != info.max_txid) {
    return corrupt("the header says " + format_txid(header.min_txid) + ".." +
                   format_txid(header.max_txid) + ", unlike the file name");
  }
  return LtxSummary{header, decoder->trailer(), decoder->page_count(), decoder->size_bytes(),
                    decoder->database_checksum()};
}

class Verifier {
 public:
  Verifier(LtxStore& store, const StreamOptions& options) : store_(store), options_(options) {}
  Result<VerifyReport> run();

 private:
  Status read_files(const std::shared_ptr<ReadWork>& work);
  Status check_file(const LtxFileInfo& info, const Result<LtxSummary>& summary);
  Result<bool> is_listed(const LtxFileInfo& info);
  void note_end(const LtxFileInfo& info, const LtxSummary& summary);
  void check_starts();
  void check_reach();
  void add_error(std::string text);

  LtxStore& store_;
  const StreamOptions& options_;
  VerifyReport report_;
  size_t error_count_ = 0;
  std::vector<LtxFileInfo> files_;
  std::map<Txid, State> ends_;                  // the database after each TXID at which a file ends
  std::vector<std::pair<Txid, State>> starts_;  // what files need to find at a TXID
};

void Verifier::add_error(std::string text) {
  if (++error_count_ < kVerifyErrorsMax) report_.errors.push_back(std::move(text));
}

Result<bool> Verifier::is_listed(const LtxFileInfo& info) {
  LS_ASSIGN_OR_RETURN(const auto files, store_.list(info.level));
  return std::any_of(files.begin(), files.end(), [&](const LtxFileInfo& file) {
    return file.min_txid == info.min_txid && file.max_txid == info.max_txid;
  });
}

void Verifier::note_end(const LtxFileInfo& info, const LtxSummary& summary) {
  const LtxHeader& header = summary.header;
  // The decoder has compared the two where both are known.
  const Checksum checksum = header.chain.known ? header.chain.after : summary.database_checksum;
  State end{header.page_size, checksum, store_.path_of(info)};
  const auto [known, is_new] = ends_.try_emplace(info.max_txid, end);
  if (!is_new) {
    if (known->second.page_size != end.page_size) {
      add_error(end.path + ": another page size than " + known->second.path);
    } else if (known->second.checksum == 0) {
      known->second = end;
    } else if (end.checksum != 0 && end.checksum != known->second.checksum) {
      add_error(end.path + ": leads to another database than " + known->second.path);
    }
  }
  if (header.is_snapshot()) return;
  starts_.emplace_back(
      Txid{info.min_txid.value - 1},
      State{header.page_size, header.chain.known ? header.chain.before : 0, end.path});
}

void Verifier::check_starts() {
  for (const auto& [txid, needed] : starts_) {
    const auto found = ends_.find(txid);
    if (found == ends_.end()) continue;
    const State& there = found->second;
    if (there.page_size != needed.page_size) {
      add_error(needed.path + ": another page size than " + there.path + ", which it follows");
    } else if (needed.checksum != 0 && there.checksum != 0 && needed.checksum != there.checksum) {
      add_error(needed.path + ": was made for another database than " + there.path + " leads to");
    }
  }
}

void Verifier::check_reach() {
  for (const RestoreGap& gap : restore_gaps(files_)) {
    add_error("no file of the replica holds " + format_txid(gap.first) + ".." +
              format_txid(gap.last));
  }
  const auto plan = plan_restore(files_, RestoreTarget::newest());
  if (!plan.ok()) add_error(plan.status().message());
}

Status Verifier::check_file(const LtxFileInfo& info, const Result<LtxSummary>& summary) {
  if (summary.ok()) {
    ++report_.file_count;
    note_end(info, *summary);
    return {};
  }
  const StatusCode code = summary.status().code();
  if (code == StatusCode::kNotFound) {
    LS_ASSIGN_OR_RETURN(const bool still_listed, is_listed(info));
    if (!still_listed) return {};
  } else if (code != StatusCode::kCorrupt && code != StatusCode::kUnsupported) {
    if (code == StatusCode::kCancelled) return summary.status();
    return summary.status().with_context(store_.path_of(info));
  }
  ++report_.file_count;
  add_error(store_.path_of(info) + ": " + summary.status().message());
  return {};
}

Status Verifier::read_files(const std::shared_ptr<ReadWork>& work) {
  uint64_t total_bytes = 0;
  for (const LtxFileInfo& info : files_) total_bytes += info.size_bytes;
  GangOptions gang;
  gang.worker_count = options_.parallelism;
  gang.owned_store = options_.owned_store;
  gang.poll = [&]() -> Status {
    if (options_.cancelled && options_.cancelled()) return cancelled("interrupted");
    if (options_.progress) {
      options_.progress(std::min<uint64_t>(work->done_bytes(), total_bytes), total_bytes);
    }
    return {};
  };
  if (gang.worker_count <= 1) work->set_poll(gang.poll);
  LS_RETURN_IF_ERROR(run_gang(work, gang));
  work->set_poll(nullptr);
  LS_RETURN_IF_ERROR(work->polled());
  return gang.poll();
}

Result<VerifyReport> Verifier::run() {
  LS_ASSIGN_OR_RETURN(files_, list_watched(store_, options_));
  const auto work = std::make_shared<ReadWork>(store_, files_);
  LS_RETURN_IF_ERROR(read_files(work));
  for (size_t i = 0; i < files_.size(); ++i) {
    LS_RETURN_IF_ERROR(check_file(files_[i], work->summary(i)));
  }
  check_starts();
  check_reach();
  if (error_count_ >= kVerifyErrorsMax) {
    report_.errors.push_back("and " + std::to_string(error_count_ - report_.errors.size()) +
                             " more");
  }
  return std::move(report_);
}

}  // namespace

Result<VerifyReport> verify_replica(LtxStore& store, const StreamOptions& options) {
  Verifier verifier(store, options);
  return verifier.run();
}

}  // namespace litestream
