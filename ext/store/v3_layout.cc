#include "ext/store/v3_layout.h"

#include <algorithm>
#include <charconv>
#include <tuple>

namespace litestream {
namespace {

constexpr std::string_view kSnapshotSuffix = ".snapshot.lz4";
constexpr std::string_view kWalSuffix = ".wal.lz4";
constexpr size_t kIndexDigits = 8;
constexpr size_t kOffsetDigitsMin = 8;
constexpr size_t kOffsetDigitsMax = 16;

bool is_lower_hex(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// `digits` are lower-case hex, at most 16.
uint64_t hex_value(std::string_view digits) {
  uint64_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  return value;
}

}  // namespace

bool is_v3_generation(std::string_view name) { return name.size() == 16 && is_lower_hex(name); }

std::optional<V3File> parse_v3_name(std::string_view generation, bool is_snapshot,
                                    std::string_view name) {
  const std::string_view suffix = is_snapshot ? kSnapshotSuffix : kWalSuffix;
  if (!name.ends_with(suffix)) return std::nullopt;
  V3File file{.generation = std::string(generation), .name = std::string(name)};
  file.is_snapshot = is_snapshot;
  name.remove_suffix(suffix.size());
  const std::string_view index = name.substr(0, kIndexDigits);
  if (index.size() != kIndexDigits || !is_lower_hex(index)) return std::nullopt;
  file.index = static_cast<uint32_t>(hex_value(index));
  name.remove_prefix(kIndexDigits);
  if (is_snapshot) return name.empty() ? std::optional(file) : std::nullopt;
  if (!name.starts_with('_')) return std::nullopt;
  name.remove_prefix(1);
  if (name.size() < kOffsetDigitsMin || name.size() > kOffsetDigitsMax || !is_lower_hex(name)) {
    return std::nullopt;
  }
  file.offset_bytes = hex_value(name);
  return file;
}

std::string v3_folder(std::string_view generation, bool is_snapshot) {
  return "generations/" + std::string(generation) + (is_snapshot ? "/snapshots" : "/wal");
}

void sort_v3_files(std::vector<V3File>* files) {
  std::sort(files->begin(), files->end(), [](const V3File& a, const V3File& b) {
    return std::make_tuple(!a.is_snapshot, a.index, a.offset_bytes, std::string_view(a.name)) <
           std::make_tuple(!b.is_snapshot, b.index, b.offset_bytes, std::string_view(b.name));
  });
}

GenerationInfo summarize_generation(std::string generation, const std::vector<V3File>& files) {
  GenerationInfo info;
  info.generation = std::move(generation);
  for (const V3File& file : files) {
    const bool is_first = info.snapshot_count + info.wal_segment_count == 0;
    const int64_t time_ms = file.created_at_ms;
    info.created_at_ms = is_first ? time_ms : std::min(info.created_at_ms, time_ms);
    info.updated_at_ms = is_first ? time_ms : std::max(info.updated_at_ms, time_ms);
    ++(file.is_snapshot ? info.snapshot_count : info.wal_segment_count);
  }
  return info;
}

}  // namespace litestream
