#include "mcp/output_guard.h"

#include <algorithm>
#include <filesystem>

namespace litestream {
namespace {

namespace fs = std::filesystem;

// "app.db-wal" beside a database would be read as part of it.
bool has_companion_name(const std::string& path) {
  std::string lower = path;
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return lower.ends_with("-wal") || lower.ends_with("-shm") || lower.ends_with("-journal");
}

bool is_below(const fs::path& path, const fs::path& folder) {
  const auto [in_folder, in_path] =
      std::mismatch(folder.begin(), folder.end(), path.begin(), path.end());
  return in_folder == folder.end() && in_path != path.end();
}

}  // namespace

Result<std::string> guarded_output(const std::string& output, const std::string& restore_dir) {
  if (has_companion_name(output)) {
    return invalid_argument(
        "\"output\" names a -wal, -shm or -journal file; choose the path of a new database");
  }
  std::error_code error;
  if (restore_dir.empty()) return fs::absolute(output, error).string();
  const Status outside = invalid_argument("\"output\" must be a file below " + restore_dir +
                                          " (mcp-restore-dir), for example " +
                                          (fs::path(restore_dir) / "restored.db").string());
  const fs::path asked(output);
  for (const fs::path& part : asked) {
    if (part == "..") return outside;
  }
  const fs::path folder = fs::canonical(restore_dir, error);
  if (error) {
    return invalid_argument("mcp-restore-dir " + restore_dir + ": " + error.message() +
                            "; the server's configuration must name an existing folder");
  }
  const fs::path path = asked.is_absolute() ? asked : folder / asked;
  if (!path.has_filename() || path.filename() == ".") return outside;
  const fs::path parent = fs::canonical(path.parent_path(), error);
  if (error) {
    // A client outside learns nothing about folders that are none of its business.
    const fs::path named = path.lexically_normal();
    if (!is_below(named, folder) && !is_below(named, fs::path(restore_dir))) return outside;
    return invalid_argument("the folder of \"output\", " + path.parent_path().string() + ": " +
                            error.message());
  }
  const fs::path real = parent / path.filename();
  if (!is_below(real, folder)) return outside;
  if (fs::is_symlink(fs::symlink_status(real, error))) {
    return invalid_argument("\"output\" is a symbolic link; choose another path");
  }
  return real.string();
}

}  // namespace litestream
