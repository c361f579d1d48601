// Names of the v0.3 layout, which is only read:
// `generations/<16 hex>/snapshots/<index>.snapshot.lz4` and
// `generations/<16 hex>/wal/<index>_<offset>.wal.lz4`, index 8 hex digits, offset 8 or more.
// Threading: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ext/store/ltx_store.h"

namespace litestream {

// 16 lower-case hex digits.
bool is_v3_generation(std::string_view name);

// The file that `name` (no folder) stands for in the folder "snapshots" or "wal"; size and time
// are left 0. Nothing for a foreign name.
std::optional<V3File> parse_v3_name(std::string_view generation, bool is_snapshot,
                                    std::string_view name);

// "generations/<generation>/snapshots" or ".../wal".
std::string v3_folder(std::string_view generation, bool is_snapshot);

// Snapshots by index, then segments by (index, offset).
void sort_v3_files(std::vector<V3File>* files);

// Counts and times of one generation's files.
GenerationInfo summarize_generation(std::string generation, const std::vector<V3File>& files);

}  // namespace litestream
