#include "tests/sim/sim_oracle.h"

#include <algorithm>

#include "ext/engine/database_stream.h"
#include "ext/engine/restore_plan.h"
#include "ext/ltx/contents.h"

namespace litestream::test {
namespace {

[[noreturn]] void fail(const std::string& what) { throw SimFailure(what); }

struct ImageSink final : PageSink {
  Image image;
  std::string wrong;
  Status begin(const DatabaseShape& shape) override {
    image.assign(shape.page_count, 0);
    return {};
  }
  Status add_page(Pgno pgno, Bytes page, Checksum) override {
    const auto version = sim_page_version(pgno, page);
    if (!version) wrong = "page " + std::to_string(pgno) + " was never written like this";
    image[pgno - 1] = version.value_or(0);
    return {};
  }
};

std::vector<LtxFileInfo> without_later_snapshots(const std::vector<LtxFileInfo>& files) {
  std::vector<LtxFileInfo> kept;
  bool first = true;
  for (const LtxFileInfo& file : files) {
    if (file.min_txid != Txid{1} || first) kept.push_back(file);
    if (file.min_txid == Txid{1}) first = false;
  }
  return kept;
}

std::string first_difference(const Image& have, const Image& want) {
  if (have.size() != want.size()) {
    return std::to_string(have.size()) + " pages instead of " + std::to_string(want.size());
  }
  for (size_t i = 0; i < have.size(); ++i) {
    if (have[i] == want[i]) continue;
    return "page " + std::to_string(i + 1) + " has version " + std::to_string(have[i]) +
           " instead of " + std::to_string(want[i]);
  }
  return "no difference";
}

}  // namespace

Image SimOracle::restore(const std::vector<LtxFileInfo>& files, Txid txid) {
  const auto plan = plan_restore(files, RestoreTarget::at_txid(txid));
  if (!plan.ok()) fail("point " + format_txid(txid) + ": " + plan.status().message());
  ImageSink sink;
  const auto streamed = stream_database(store_, *plan, sink, {});
  if (!streamed.ok()) fail("point " + format_txid(txid) + ": " + streamed.status().message());
  if (!sink.wrong.empty()) fail("point " + format_txid(txid) + ": " + sink.wrong);
  return std::move(sink.image);
}

// Finds each point's state: the first from the previous point's on that looks like it.
void SimOracle::place_points() {
  const auto& history = database_.history();
  size_t state = 0;
  for (auto& [txid, point] : points_) {
    const size_t from = state;
    while (state < history.size() && history[state].image != point.image) ++state;
    if (state < history.size()) {
      point.state = state;
      continue;
    }
    size_t earlier = 0;
    while (earlier < history.size() && history[earlier].image != point.image) ++earlier;
    if (earlier < history.size()) {
      fail("point " + std::to_string(txid) + " is state " + std::to_string(earlier) +
           ", but the point before it is state " + std::to_string(from));
    }
    const size_t next = std::min(from + 1, history.size() - 1);
    fail("point " + std::to_string(txid) + " is no state the database ever had; against state " +
         std::to_string(next) + ": " + first_difference(point.image, history[next].image) +
         "; against the newest: " + first_difference(point.image, history.back().image));
  }
}

void SimOracle::check_ranges(const std::vector<LtxFileInfo>& files) {
  uint64_t reached = 0;
  for (const LtxFileInfo& file : files) {
    if (file.level != 0) continue;
    if (file.min_txid.value <= reached) {
      fail("TXID " + format_txid(file.min_txid) + " is in two L0 files");
    }
    reached = file.max_txid.value;
  }
}

void SimOracle::check_file_is_minimal(const LtxFileInfo& file) {
  const auto before = points_.find(file.min_txid.value - 1);
  const auto after = points_.find(file.max_txid.value);
  if (before == points_.end() || after == points_.end()) return;
  if (!minimal_.insert(file.min_txid.value).second) return;
  std::set<uint32_t> allowed;
  for (size_t state = before->second.state + 1; state <= after->second.state; ++state) {
    const SimState& one = database_.history()[state];
    allowed.insert(one.touched.begin(), one.touched.end());
  }
  const Image& old_image = before->second.image;
  const Image& new_image = after->second.image;
  for (size_t i = 0; i < new_image.size(); ++i) {
    if (i >= old_image.size() || old_image[i] != new_image[i]) {
      allowed.insert(static_cast<uint32_t>(i + 1));
    }
  }
  auto reader = store_.open(file);
  if (!reader.ok()) fail(reader.status().message());
  const auto contents = read_ltx_contents(**reader);
  if (!contents.ok()) fail(store_.path_of(file) + ": " + contents.status().message());
  PageIndex::Cursor entries(contents->index);
  while (entries.next()) {
    if (allowed.contains(entries.entry().pgno)) continue;
    fail(store_.path_of(file) + " holds page " + std::to_string(entries.entry().pgno) +
         ", which did not change");
  }
}

void SimOracle::check_points() {
  const auto files = store_.files();
  check_ranges(files);
  auto listed = restore_points(files);
  std::reverse(listed.begin(), listed.end());
  for (const RestorePoint& listed_point : listed) {
    const auto [point, is_new] = points_.try_emplace(listed_point.txid.value);
    if (is_new) point->second.image = restore(files, listed_point.txid);
  }
  if (listed.size() != points_.size()) fail("a restore point is gone");
  place_points();
  for (const auto& [txid, state] : claims_) {
    const auto point = points_.find(txid);
    if (point == points_.end() || point->second.image == database_.history()[state].image) continue;
    fail("TXID " + std::to_string(txid) + " was named for state " + std::to_string(state) +
         " and restores to state " + std::to_string(point->second.state));
  }
  for (const LtxFileInfo& file : files) {
    if (file.level == 0) check_file_is_minimal(file);
  }
}

void SimOracle::check_newest() {
  check_points();
  if (points_.empty()) fail("nothing on the replica");
  const Image& newest = points_.rbegin()->second.image;
  if (newest == database_.current()) return;
  fail("the newest point " + std::to_string(newest_point()) + " is state " +
       std::to_string(points_.rbegin()->second.state) + " of " +
       std::to_string(database_.history().size() - 1) + ": " +
       first_difference(newest, database_.current()));
}

void SimOracle::check_everything() {
  check_newest();
  const auto files = store_.files();
  for (const auto& chosen : {files, without_later_snapshots(files)}) {
    for (const RestorePoint& listed : restore_points(chosen)) {
      if (restore(chosen, listed.txid) == points_.at(listed.txid.value).image) continue;
      fail("point " + format_txid(listed.txid) + " has two contents");
    }
  }
}

void SimOracle::check_uploaded(uint64_t txid, size_t state) {
  check_points();
  for (const auto& [point, content] : points_) {
    if (point >= txid && content.state >= state) return;
    if (point >= txid && content.image == database_.history()[state].image) return;
  }
  fail("TXID " + std::to_string(txid) + " was reported as uploaded with state " +
       std::to_string(state) + ", the replica ends at " + std::to_string(newest_point()));
}

void SimOracle::check_listed(uint64_t txid) {
  if (txid == 0) return;
  check_points();
  if (newest_point() >= txid) return;
  fail("TXID " + std::to_string(txid) + " was reported as uploaded, the replica ends at " +
       std::to_string(newest_point()));
}

}  // namespace litestream::test
