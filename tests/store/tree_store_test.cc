// The parts that sftp, webdav, gs and abs share.
#include "ext/store/tree_store.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "ext/store/lease_object.h"
#include "ext/store/read_ahead.h"
#include "ext/store/remote_http.h"
#include "ext/store/spill_buffer.h"
#include "ext/store/store_factory.h"
#include "ext/store/temporary_name.h"
#include "tests/support/prng.h"
#include "tests/support/temp_dir.h"

namespace litestream {
namespace {

// One file, and what was asked of it.
class OneFileTree final : public RemoteTree {
 public:
  explicit OneFileTree(std::string bytes) : bytes_(std::move(bytes)) {}
  const std::string& type() const override { return name_; }
  const std::string& url() const override { return name_; }
  Result<std::vector<RemoteEntry>> list(const std::string&) override { return entries_; }
  Result<RemoteRange> read(const std::string&, uint64_t offset_bytes, MutableBytes out,
                           std::string*) override {
    reads_.push_back({offset_bytes, out.size()});
    const size_t at = static_cast<size_t>(std::min<uint64_t>(offset_bytes, bytes_.size()));
    const size_t count = std::min(out.size(), bytes_.size() - at);
    std::copy_n(bytes_.begin() + static_cast<ptrdiff_t>(at), count, out.begin());
    return RemoteRange{count, bytes_.size()};
  }
  Result<std::unique_ptr<RemoteUpload>> start_upload(const std::string&, int64_t) override {
    return unsupported("read only");
  }
  Status remove(const std::string&) override {
    ++remove_count_;
    return removed_;
  }
  void set_interrupted(bool) override {}

  const std::string name_ = "test";
  std::string bytes_;
  std::vector<RemoteEntry> entries_;
  std::vector<std::pair<uint64_t, size_t>> reads_;
  Status removed_;
  std::atomic<int> remove_count_{0};
};

TEST_CASE("read ahead: sequential reads become few requests, others small ones") {
  OneFileTree tree(test::Prng(1).bytes(4 << 20));
  ReadAhead reader(tree, "f");
  std::string all;
  while (true) {
    std::string chunk(5000, '?');
    const auto got =
        reader.read_at(all.size(), {reinterpret_cast<uint8_t*>(chunk.data()), chunk.size()});
    REQUIRE(got.ok());
    all += chunk.substr(0, *got);
    if (*got < chunk.size()) break;
  }
  CHECK((all == tree.bytes_));
  CHECK(tree.reads_.size() <= 12);
  for (const auto& [offset, count] : tree.reads_) CHECK(count <= (512 << 10));
  CHECK(reader.size_bytes().value() == tree.bytes_.size());
  uint8_t byte = 0;
  CHECK(reader.read_at(tree.bytes_.size() + 9, MutableBytes(&byte, 1)).value() == 0);
  CHECK(reader.read_at(7, MutableBytes(&byte, 1)).value() == 1);
  CHECK(tree.reads_.back().second == (64 << 10));
  tree.bytes_.resize(100'000);
  CHECK(reader.read_at(2 << 20, MutableBytes(&byte, 1)).status().code() == StatusCode::kCorrupt);
}

TEST_CASE("tree store: a place that does not answer is not asked a thousand times") {
  auto owned = std::make_unique<OneFileTree>("");
  OneFileTree& tree = *owned;
  TreeStore store(std::move(owned));
  std::vector<LtxFileInfo> files;
  for (uint64_t txid = 1; txid <= 1000; ++txid) files.push_back({0, Txid{txid}, Txid{txid}, 0, 0});
  tree.removed_ = unavailable("down");
  Status why;
  CHECK(store.remove(files, &why).value() == files);
  CHECK(why.code() == StatusCode::kUnavailable);
  CHECK(tree.remove_count_ <= 4);
  // What is refused for one file may be allowed for the next.
  tree.remove_count_ = 0;
  tree.removed_ = io_error("denied");
  CHECK(store.remove(files, &why).value() == files);
  CHECK(tree.remove_count_ == 1000);
  tree.removed_ = not_found("gone");
  CHECK(store.remove(files, &why).value().empty());
  CHECK(why.ok());
}

TEST_CASE("tree store: listings are sorted, foreign names and doubles are left out") {
  auto owned = std::make_unique<OneFileTree>("");
  const auto entry = [](std::string name) {
    RemoteEntry made;
    made.name = std::move(name);
    return made;
  };
  owned->entries_ = {
      entry("0000000000000003-0000000000000003.ltx"),
      entry("0000000000000001-0000000000000002.ltx"),
      entry("0000000000000003-0000000000000003.ltx"), entry("notes.txt"),
      entry(make_temporary_name("0000000000000004-0000000000000004.ltx", 1, nullptr))};
  const auto files = TreeStore(std::move(owned)).list(0);
  REQUIRE(files.ok());
  REQUIRE(files->size() == 2);
  CHECK(files->at(0).max_txid == Txid{2});
}

TEST_CASE("lease object: text and back, nonsense refused") {
  const Lease lease{18446744073709551615u, 1767413106789, "host \"x\":1", "ignored"};
  const auto parsed = parse_lease(format_lease(lease));
  REQUIRE(parsed.ok());
  CHECK(parsed->generation == lease.generation);
  CHECK(parsed->expires_at_ms == lease.expires_at_ms);
  CHECK(parsed->owner == lease.owner);
  CHECK(parsed->etag.empty());
  for (const char* text :
       {"", "{}", "[]", "{\"generation\":1,\"expires_at\":\"soon\",\"owner\":\"x\"}",
        "{\"generation\":-1,\"expires_at\":\"2026-01-03T04:05:06Z\",\"owner\":\"x\"}",
        "{\"generation\":1.5,\"expires_at\":\"2026-01-03T04:05:06Z\",\"owner\":\"x\"}",
        "{\"generation\":\"1\",\"expires_at\":\"2026-01-03T04:05:06Z\",\"owner\":\"x\"}"}) {
    CAPTURE(text);
    CHECK(parse_lease(text).status().code() == StatusCode::kCorrupt);
  }
  CHECK(parse_lease(std::string(5000, ' ')).status().code() == StatusCode::kCorrupt);
}

TEST_CASE("temporary names tell when they were made") {
  const std::string name = make_temporary_name("a.ltx", 1767413106789, nullptr);
  CHECK(time_of_temporary_name(name) == 1767413106000);
  CHECK(name != make_temporary_name("a.ltx", 1767413106789, nullptr));
  for (const char* other : {"", "a.ltx", ".a.ltx.litestream-tmp-", ".a.litestream-tmp-xyz-01234567",
                            ".a.litestream-tmp-12-0123456", "a.litestream-tmp-12-01234567",
                            ".a.litestream-tmp-ffffffffffffffff-01234567"}) {
    CAPTURE(other);
    CHECK_FALSE(time_of_temporary_name(other).has_value());
  }
}

TEST_CASE("spill buffer: memory first, then a file without a name") {
  const test::TempDir dir;
  SpillBuffer buffer(posix_file_system(), dir.path(), 1000);
  const std::string content = test::Prng(3).bytes(5000);
  for (size_t at = 0; at < content.size(); at += 300) {
    REQUIRE(buffer.append(as_bytes(std::string_view(content).substr(at, 300))).ok());
    CHECK(std::filesystem::is_empty(dir.path()));
    std::string back(at + 1, '?');
    REQUIRE(read_exactly(buffer, 0, {reinterpret_cast<uint8_t*>(back.data()), back.size()}).ok());
    CHECK((back == content.substr(0, at + 1)));
  }
  CHECK(buffer.size_bytes().value() == content.size());
  SpillBuffer nowhere(posix_file_system(), dir.file("none"), 10);
  const Status status = nowhere.append(as_bytes("more than ten bytes"));
  CHECK_FALSE(status.ok());
  CHECK(status.message().find(dir.file("none")) != std::string::npos);
  CHECK(status.message().find("TMPDIR") != std::string::npos);
}

TEST_CASE("HTTP dates") {
  CHECK(format_http_date(0) == "Thu, 01 Jan 1970 00:00:00 GMT");
  CHECK(format_http_date(1369353600000) == "Fri, 24 May 2013 00:00:00 GMT");
  CHECK(format_http_date(1767413106789) == "Sat, 03 Jan 2026 04:05:06 GMT");
  for (int64_t day = 0; day < 40'000; day += 13) {
    REQUIRE(parse_http_date_ms(format_http_date(day * 86'400'000)) == day * 86'400'000);
  }
}

TEST_CASE("every remote store opens by its URL, with its settings, and refuses others'") {
  struct Row {
    const char* url;
    const char* type;
    std::vector<std::pair<std::string, std::string>> settings;
  };
  for (const Row& row : std::vector<Row>{
           {"gs://bucket/a", "gs", {{"access-key-id", "k"}, {"secret-access-key", "s3cr3t"}}},
           {"abs://account@container/a", "abs", {{"account-key", "czNjcjN0"}}},
           {"sftp://u@h/a",
            "sftp",
            {{"password", "s3cr3t"},
             {"host-key", "SHA256:VjwcPLxghmBzHGbejVahv71CED9e9KkBKQuLEUXM9ZY"}}},
           {"webdav://u@h/a", "webdav", {{"webdav-password", "s3cr3t"}}},
           {"webdavs://u@h/a", "webdav", {{"webdav-password", "s3cr3t"}}}}) {
    CAPTURE(row.url);
    StoreSpec spec;
    spec.url = row.url;
    spec.settings = row.settings;
    REQUIRE(check_store_spec(spec).ok());
    const auto store = open_store(posix_file_system(), spec);
    REQUIRE(store.ok());
    CHECK((*store)->type() == row.type);
    CHECK((*store)->url() == row.url);
    spec.settings.emplace_back("storage-class", "s3cr3t");
    const Status refused = check_store_spec(spec);
    CHECK(refused.code() == StatusCode::kInvalidArgument);
    CHECK(refused.message().find("storage-class") != std::string::npos);
    CHECK(refused.message().find("s3cr3t") == std::string::npos);
  }
}

}  // namespace
}  // namespace litestream
