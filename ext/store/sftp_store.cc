#include "ext/store/sftp_store.h"

#include <algorithm>
#include <cstring>

#include "ext/base/clock.h"
#include "ext/base/limits.h"
#include "ext/ltx/sequential_reader.h"
#include "ext/store/remote_http.h"
#include "ext/store/sftp_transfer.h"
#include "ext/store/temporary_name.h"

namespace litestream {
namespace {

constexpr size_t kChunkBytes = 4 << 20;
constexpr size_t kListBytesMax = size_t{128} << 20;

bool parse_size(std::string_view text, uint64_t* size) {
  if (text.empty() || text.size() > 18) return false;
  *size = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    *size = *size * 10 + static_cast<uint64_t>(c - '0');
  }
  return true;
}

// Takes up to a given number of bytes, over several attempts.
class FillSink final : public ByteSink {
 public:
  explicit FillSink(MutableBytes out) : out_(out) {}
  Status append(Bytes bytes) override {
    if (bytes.size() > out_.size() - filled_) return corrupt("the server sent too much");
    if (!bytes.empty()) std::memcpy(out_.data() + filled_, bytes.data(), bytes.size());
    filled_ += bytes.size();
    return {};
  }
  size_t filled() const { return filled_; }

 private:
  const MutableBytes out_;
  size_t filled_ = 0;
};

class SftpTree;

class SftpUpload final : public RemoteUpload {
 public:
  SftpUpload(SftpTree& tree, std::string path, std::string temporary_path, int64_t commit_ms)
      : tree_(tree),
        path_(std::move(path)),
        temporary_path_(std::move(temporary_path)),
        commit_ms_(commit_ms) {}
  ~SftpUpload() override;
  Status append(Bytes bytes) override;
  Status finish() override;

 private:
  Status send_chunk();

  SftpTree& tree_;
  const std::string path_;
  const std::string temporary_path_;
  const int64_t commit_ms_;
  std::vector<uint8_t> buffer_;
  uint64_t sent_bytes_ = 0;
  bool may_be_there_ = false;  // under its temporary name
  Status failed_;
};

class SftpTree final : public RemoteTree {
 public:
  SftpTree(SftpOptions options, RemoteParts parts)
      : type_("sftp"),
        options_(std::move(options)),
        parts_(std::move(parts)),
        transfer_(options_, parts_) {}

  const std::string& type() const override { return type_; }
  const std::string& url() const override { return options_.url; }
  bool leaves_temporary_files() const override { return true; }
  void set_interrupted(bool interrupted) override { transfer_.set_interrupted(interrupted); }

  Result<std::vector<RemoteEntry>> list(const std::string& folder) override;
  Result<RemoteRange> read(const std::string& path, uint64_t offset_bytes, MutableBytes out,
                           std::string* version) override;
  Result<std::unique_ptr<RemoteUpload>> start_upload(const std::string& path,
                                                     int64_t commit_ms) override;
  Status remove(const std::string& path) override;

  // Writes `bytes` at the end of a file that has `offset_bytes` so far, 0: makes it.
  Status append(const std::string& path, uint64_t offset_bytes, Bytes bytes);
  // Nothing if it does not exist.
  Result<std::optional<uint64_t>> size_of(const std::string& path);
  // Io where `to` is taken.
  Status rename(const std::string& from, const std::string& to, int64_t mtime_ms);

 private:
  std::string absolute(const std::string& path) const { return options_.root + "/" + path; }

  const std::string type_;
  const SftpOptions options_;
  const RemoteParts parts_;
  SftpTransfer transfer_;
};

Result<std::vector<RemoteEntry>> SftpTree::list(const std::string& folder) {
  SftpCall call;
  call.what = "list";
  call.path = absolute(folder) + "/";
  call.body_bytes_max = kListBytesMax;
  const auto answer = transfer_.perform(call);
  if (answer.status().code() == StatusCode::kNotFound) return std::vector<RemoteEntry>();
  if (!answer.ok()) return answer.status().with_context("sftp: " + absolute(folder));
  return parse_long_listing(answer->body);
}

Result<std::optional<uint64_t>> SftpTree::size_of(const std::string& path) {
  SftpCall call;
  call.what = "look at";
  call.path = absolute(path);
  call.has_transfer = false;
  const auto answer = transfer_.perform(call);
  if (answer.status().code() == StatusCode::kNotFound) return std::optional<uint64_t>();
  if (!answer.ok()) return answer.status().with_context("sftp: " + absolute(path));
  if (answer->file_size_bytes < 0) return corrupt("sftp: " + absolute(path) + " has no size");
  return std::optional(static_cast<uint64_t>(answer->file_size_bytes));
}

Result<RemoteRange> SftpTree::read(const std::string& path, uint64_t offset_bytes, MutableBytes out,
                                   std::string* version) {
  uint64_t file_size = 0;
  if (!parse_size(*version, &file_size)) {
    LS_ASSIGN_OR_RETURN(const auto found, size_of(path));
    if (!found.has_value()) return not_found("sftp: " + absolute(path) + " does not exist");
    file_size = *found;
    *version = std::to_string(file_size);
  }
  if (offset_bytes >= file_size) return RemoteRange{0, file_size};
  const auto wanted = static_cast<size_t>(std::min<uint64_t>(out.size(), file_size - offset_bytes));
  FillSink sink(out.first(wanted));
  const auto range = [&] {
    return std::to_string(offset_bytes + sink.filled()) + "-" +
           std::to_string(offset_bytes + wanted - 1);
  };
  SftpCall call;
  call.what = "read";
  call.path = absolute(path);
  call.range = range();
  call.sink = &sink;
  call.before_retry = [&](SftpCall* next) {
    next->range = range();
    // Everything came, and then the connection went.
    return sink.filled() == wanted ? cancelled("enough") : Status();
  };
  const auto answer = transfer_.perform(call);
  if (!answer.ok() && sink.filled() < wanted) {
    return answer.status().with_context("sftp: " + absolute(path));
  }
  if (sink.filled() < wanted) {
    return corrupt("sftp: " + absolute(path) + " became shorter while it was read");
  }
  return RemoteRange{wanted, file_size};
}

Result<std::unique_ptr<RemoteUpload>> SftpTree::start_upload(const std::string& path,
                                                             int64_t commit_ms) {
  const std::string folder = path_directory(path);
  const std::string name =
      make_temporary_name(path_basename(path), parts_.world.clock->wall_ms(), this);
  std::unique_ptr<RemoteUpload> upload = std::make_unique<SftpUpload>(
      *this, path, folder == "." ? name : folder + "/" + name, commit_ms);
  return upload;
}

Status SftpTree::append(const std::string& path, uint64_t offset_bytes, Bytes bytes) {
  BytesReader body(bytes);
  SftpCall call;
  call.what = "upload";
  call.path = absolute(path);
  call.body = &body;
  call.body_bytes = bytes.size();
  call.appends = offset_bytes > 0;
  uint64_t kept = 0;  // of these bytes, on the server
  std::unique_ptr<BytesReader> rest;
  call.before_retry = [&](SftpCall* next) -> Status {
    LS_ASSIGN_OR_RETURN(const auto size, size_of(path));
    const uint64_t there = size.value_or(0);
    if (there < offset_bytes || there > offset_bytes + bytes.size()) {
      return unavailable("sftp: " + absolute(path) + " was cut short on the server; try again");
    }
    kept = there - offset_bytes;
    rest = std::make_unique<BytesReader>(bytes.subspan(static_cast<size_t>(kept)));
    next->body = rest.get();
    next->body_bytes = bytes.size() - kept;
    next->appends = there > 0;
    return kept == bytes.size() && !bytes.empty() ? cancelled("enough") : Status();
  };
  const Status status = transfer_.perform(call).status();
  const bool is_whole = kept == bytes.size() && !bytes.empty();
  if (is_whole) return {};
  // What is missing is the folder, which could not be made.
  const bool is_missing = status.code() == StatusCode::kNotFound;
  return (is_missing ? io_error(status.message()) : status).with_context("sftp: " + absolute(path));
}

Status SftpTree::rename(const std::string& from, const std::string& to, int64_t mtime_ms) {
  const std::string source = quote_sftp_path(absolute(from));
  SftpCall call;
  call.what = "rename";
  call.path = "/";
  call.has_transfer = false;
  // '*': a server that cannot set times is fine.
  call.commands = {"*mtime \"" + format_http_date(mtime_ms) + "\" " + source,
                   "rename " + source + " " + quote_sftp_path(absolute(to))};
  return transfer_.perform(call).status().with_context("sftp: " + absolute(to));
}

Status SftpTree::remove(const std::string& path) {
  SftpCall call;
  call.what = "remove";
  call.path = "/";
  call.has_transfer = false;
  call.commands = {"rm " + quote_sftp_path(absolute(path))};
  return transfer_.perform(call).status().with_context("sftp: " + absolute(path));
}

SftpUpload::~SftpUpload() {
  if (may_be_there_) (void)tree_.remove(temporary_path_).ok();
}

Status SftpUpload::send_chunk() {
  may_be_there_ = true;
  LS_RETURN_IF_ERROR(tree_.append(temporary_path_, sent_bytes_, buffer_));
  sent_bytes_ += buffer_.size();
  buffer_.clear();
  return {};
}

Status SftpUpload::append(Bytes bytes) {
  if (!failed_.ok()) return failed_;
  while (!bytes.empty()) {
    const size_t count = std::min(bytes.size(), kChunkBytes - buffer_.size());
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(count));
    bytes = bytes.subspan(count);
    if (buffer_.size() < kChunkBytes) continue;
    failed_ = send_chunk();
    if (!failed_.ok()) return failed_;
  }
  return {};
}

Status SftpUpload::finish() {
  if (!failed_.ok()) return failed_;
  failed_ = internal_error("finished twice");
  if (sent_bytes_ == 0 || !buffer_.empty()) LS_RETURN_IF_ERROR(send_chunk());
  const Status taken = already_exists("sftp: " + path_ + " exists");
  // A server whose rename replaces files would do so; ours is refused there, most are.
  LS_ASSIGN_OR_RETURN(const auto before, tree_.size_of(path_));
  if (before.has_value()) return taken;
  LS_ASSIGN_OR_RETURN(const auto size, tree_.size_of(temporary_path_));
  if (size.value_or(0) != sent_bytes_) {
    return corrupt("sftp: " + path_ + ": the server kept " + std::to_string(size.value_or(0)) +
                   " of " + std::to_string(sent_bytes_) + " bytes");
  }
  const Status renamed = tree_.rename(temporary_path_, path_, commit_ms_);
  if (renamed.ok()) {
    may_be_there_ = false;
    return {};
  }
  if (renamed.code() != StatusCode::kIo && renamed.code() != StatusCode::kNotFound) return renamed;
  // Taken meanwhile, or by an attempt of ours whose answer was lost.
  LS_ASSIGN_OR_RETURN(const auto after, tree_.size_of(path_));
  return after.has_value() ? taken : renamed;
}

}  // namespace

std::vector<RemoteEntry> parse_long_listing(std::string_view text) {
  std::vector<RemoteEntry> entries;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    std::vector<std::string_view> words;
    for (size_t at = 0; at < line.size();) {
      const size_t begin = line.find_first_not_of(" \t\r", at);
      if (begin == std::string_view::npos) break;
      at = std::min(line.find_first_of(" \t\r", begin), line.size());
      words.push_back(line.substr(begin, at - begin));
    }
    // Permissions, links, owner, group, size, month, day, time, name.
    RemoteEntry entry;
    if (words.size() != 9 || !parse_size(words[4], &entry.size_bytes)) continue;
    const char kind = words[0].front();
    entry.is_folder = kind == 'd';
    entry.name = words[8];
    if ((kind == '-' || kind == 'd') && entry.name != "." && entry.name != "..") {
      entries.push_back(std::move(entry));
    }
  }
  return entries;
}

std::unique_ptr<RemoteTree> make_sftp_tree(SftpOptions options, RemoteParts parts) {
  return std::make_unique<SftpTree>(std::move(options), std::move(parts));
}

}  // namespace litestream
