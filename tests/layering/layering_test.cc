// The rules of the house that a compiler does not check: which folder may include which, who may
// call the operating system, that nothing is left out of the build, that files and functions stay
// small. The folder under test is LITESTREAM_SOURCE_DIR.
#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/layering/source_text.h"

namespace litestream::layering {
namespace {

namespace fs = std::filesystem;

constexpr size_t kFileLinesMax = 600;
constexpr size_t kFunctionLinesMax = 70;
constexpr size_t kColumnsMax = 100;

struct SourceFile {
  std::string path;  // relative to the source folder, with '/'
  std::string text;
  std::string code;  // text without comments and literals
};

std::string read_text(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

bool is_cpp(const std::string& path) { return path.ends_with(".cc") || path.ends_with(".h"); }

const fs::path& source_dir() {
  static const fs::path dir(LITESTREAM_SOURCE_DIR);
  return dir;
}

// Paths of all files below `folder` of the source folder, sorted; none where there is no folder.
std::vector<std::string> list_files(const std::string& folder) {
  std::vector<std::string> paths;
  if (!fs::exists(source_dir() / folder)) return paths;
  for (const auto& entry : fs::recursive_directory_iterator(source_dir() / folder)) {
    const std::string path = fs::relative(entry.path(), source_dir()).generic_string();
    if (entry.is_regular_file() && path.find("node_modules") == std::string::npos) {
      paths.push_back(path);
    }
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

const std::vector<SourceFile>& sources() {
  static const std::vector<SourceFile> files = [] {
    std::vector<SourceFile> found;
    for (const char* folder : {"ext", "mcp", "tests", "bench"}) {
      for (const std::string& path : list_files(folder)) {
        if (!is_cpp(path)) continue;
        const std::string text = read_text(source_dir() / path);
        found.push_back({path, text, strip_comments_and_literals(text)});
      }
    }
    return found;
  }();
  return files;
}

// "ext/base/status.h" -> "ext/base"; "mcp/main.cc" -> "mcp"; "vector" -> "".
std::string layer_of(const std::string& path) {
  const size_t first = path.find('/');
  if (first == std::string::npos) return "";
  if (path.substr(0, first) != "ext") return path.substr(0, first);
  const size_t second = path.find('/', first + 1);
  return second == std::string::npos ? "ext" : path.substr(0, second);
}

// The table of ext/README.md. tests/ and bench/ may include anything.
const std::map<std::string, std::set<std::string>>& allowed_layers() {
  static const std::map<std::string, std::set<std::string>> table = {
      {"ext/base", {"ext/base"}},
      {"ext/ltx", {"ext/base", "ext/ltx"}},
      {"ext/wal", {"ext/base", "ext/wal"}},
      {"ext/store", {"ext/base", "ext/ltx", "ext/store"}},
      {"ext/engine", {"ext/base", "ext/ltx", "ext/wal", "ext/store", "ext/engine"}},
      {"ext/config", {"ext/base", "ext/store", "ext/engine", "ext/config"}},
      {"ext/sqlite",
       {"ext/base", "ext/ltx", "ext/wal", "ext/store", "ext/engine", "ext/config", "ext/sqlite"}},
      {"mcp", {"mcp", "ext/base"}},  // Status and limits; all else it asks in SQL
  };
  return table;
}

struct ThirdParty {
  const char* pattern;  // of the include's target
  std::set<std::string> layers;
};

// Who may see which library.
const std::vector<ThirdParty>& third_parties() {
  static const std::vector<ThirdParty> table = {
      {R"(^sqlite3ext\.h$)", {"ext/sqlite"}},
      {R"(^sqlite3\.h$)", {"mcp"}},
      {R"(^lz4)", {"ext/ltx"}},
      {R"(^yaml-cpp/)", {"ext/base", "ext/config"}},
      {R"(^curl/)", {"ext/store"}},
      {R"(^(nettle|hogweed)/|^gmp)", {"ext/store"}},
      {R"(^httplib)", {"mcp"}},
      {R"(^simdjson)", {"mcp"}},
      {R"(^openssl/|^zlib)", {}},
  };
  return table;
}

// "" or why a file of `layer` may not include `include`.
std::string include_fault(const std::string& layer, const Include& include) {
  const auto allowed = allowed_layers().find(layer);
  if (allowed == allowed_layers().end()) return "";
  for (const ThirdParty& library : third_parties()) {
    if (std::regex_search(include.target, std::regex(library.pattern)) &&
        library.layers.count(layer) == 0) {
      return layer + " may not include <" + include.target + ">";
    }
  }
  if (!include.is_quoted) return "";
  const std::string target = layer_of(include.target);
  const bool is_generated_sql = target == "sql";
  if (is_generated_sql || allowed->second.count(target) != 0) return "";
  return layer + " may not include \"" + include.target + "\"";
}

struct Ban {
  const char* pattern;  // searched in code without comments and literals
  const char* why;
  std::vector<const char*> folders;  // prefixes where it holds
  std::set<std::string> except;      // files where it does not
};

const std::vector<Ban>& bans() {
  static const std::vector<Ban> table = {
      {R"(\b(v?f?printf|f?puts|f?putc|putchar|perror)\s*\(|\bstd::(cout|cerr|clog)\b)",
       "a guest in the host's process does not print",
       {"ext/"},
       {}},
      {R"((^|[^\w.>])(abort|exit|_exit|_Exit|quick_exit|terminate)\s*\()",
       "a guest does not end the host's process",
       {"ext/"},
       {"ext/base/check.h", "ext/base/check.cc"}},
      {R"((^|[^\w.>])assert\s*\()", "use LITESTREAM_ASSERT", {"ext/", "mcp/"}, {}},
      {R"(\bthrow\b)", "errors are Status values", {"ext/", "mcp/"}, {}},
      {R"((^|[^\w:])::(rename|renameat|renameat2|open|openat|creat|fsync|fdatasync)\s*\()",
       "only file_system_posix.cc touches files",
       {"ext/", "mcp/"},
       {"ext/base/file_system_posix.cc"}},
      {R"(\b(fopen|freopen|mkstemp)\s*\(|\bstd::[io]?fstream\b)",
       "only file_system_posix.cc touches files",
       {"ext/", "mcp/"},
       {"ext/base/file_system_posix.cc"}},
      {R"(\bstd::filesystem\b|\bstd::rename\b)",
       "use FileSystem",
       {"ext/"},
       {"ext/base/file_system_posix.cc"}},
      {R"(\b(strcpy|strcat|sprintf|gets|alloca)\s*\()",
       "no unbounded writes",
       {"ext/", "mcp/", "tests/", "bench/"},
       {}},
      {R"(\b(setenv|putenv|unsetenv|sigaction)\s*\(|(\bstd|[^\w])::signal\s*\()",
       "the environment and the signals belong to the host",
       {"ext/"},
       {}},
  };
  return table;
}

std::vector<std::string> ban_faults(const SourceFile& file) {
  std::vector<std::string> faults;
  const std::vector<std::string> lines = split_lines(file.code);
  for (const Ban& ban : bans()) {
    const bool applies =
        std::any_of(ban.folders.begin(), ban.folders.end(),
                    [&](const char* folder) { return file.path.starts_with(folder); });
    if (!applies || ban.except.count(file.path) != 0) continue;
    const std::regex pattern(ban.pattern);
    for (size_t i = 0; i < lines.size(); ++i) {
      if (std::regex_search(lines[i], pattern)) {
        faults.push_back(file.path + ":" + std::to_string(i + 1) + ": " + ban.why);
      }
    }
  }
  return faults;
}

// The words of every CMakeLists.txt in `path`'s folder and above, with the path of `path` relative
// to each: true if one of them names it.
bool is_named_in_build(const std::string& path) {
  for (fs::path dir = fs::path(path).parent_path(); !dir.empty(); dir = dir.parent_path()) {
    const fs::path list = source_dir() / dir / "CMakeLists.txt";
    if (!fs::exists(list)) continue;
    const std::string relative = fs::path(path).lexically_relative(dir).generic_string();
    for (std::string line : split_lines(read_text(list))) {
      line = line.substr(0, line.find('#'));
      std::replace_if(
          line.begin(), line.end(), [](char c) { return c == '(' || c == ')' || c == '"'; }, ' ');
      std::istringstream words(line);
      for (std::string word; words >> word;) {
        const std::string in_this_folder = "${CMAKE_CURRENT_SOURCE_DIR}/" + relative;
        if (word == relative || word == in_this_folder) return true;
      }
    }
  }
  return false;
}

size_t column_count(const std::string& line) {
  return static_cast<size_t>(std::count_if(line.begin(), line.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

void require_none(const std::vector<std::string>& faults) {
  std::string all;
  for (const std::string& fault : faults) all += fault + "\n";
  INFO(all);
  REQUIRE(faults.empty());
}

}  // namespace

TEST_CASE("layering: the scanner tells code from comments and literals") {
  const std::string text =
      "#include \"ext/base/a.h\"\nint x = 60'000;  // abort()\nauto s = \"puts(\\\"\";\n"
      "/* exit(1)\n */ auto r = R\"(throw)\";\nchar c = '\"'; f();\n";
  const std::string code = strip_comments_and_literals(text);
  REQUIRE(code.size() == text.size());
  for (const char* hidden : {"abort", "puts", "exit", "throw"}) {
    REQUIRE(code.find(hidden) == std::string::npos);
  }
  REQUIRE(code.find("f();") != std::string::npos);
  REQUIRE(code.find("60'000") != std::string::npos);
  const std::vector<Include> includes = find_includes(text);
  REQUIRE(includes.size() == 1);
  REQUIRE(includes[0].target == "ext/base/a.h");
}

TEST_CASE("layering: the scanner measures functions") {
  const std::string code =
      "namespace n {\nclass C {\n public:\n  int f() const {\n    if (x) {\n    }\n  }\n};\n"
      "int t[] = {1, 2};\nvoid g(int a,\n       int b) {\n\n\n}\n}\n";
  const std::vector<Function> functions = find_functions(code);
  REQUIRE(functions.size() == 2);
  REQUIRE(functions[0].name == "f");
  REQUIRE(functions[0].line_count == 4);
  REQUIRE(functions[1].name == "g");
  REQUIRE(functions[1].line_count == 4);
}

TEST_CASE("layering: the rules can fail") {
  REQUIRE_FALSE(include_fault("ext/ltx", {"ext/store/ltx_store.h", true, 1}).empty());
  REQUIRE_FALSE(include_fault("ext/engine", {"sqlite3ext.h", false, 1}).empty());
  REQUIRE_FALSE(include_fault("ext/sqlite", {"sqlite3.h", false, 1}).empty());
  REQUIRE_FALSE(include_fault("mcp", {"ext/engine/options.h", true, 1}).empty());
  REQUIRE(include_fault("ext/store", {"ext/ltx/types.h", true, 1}).empty());
  const char* bad[] = {"void f() { abort(); }", "{ std::cout << 1; }", "{ fprintf(stderr, x); }",
                       "{ ::open(p, 0); }", "{ throw 1; }"};
  for (const char* code : bad) REQUIRE(ban_faults({"ext/x.cc", code, code}).size() == 1);
  for (const char* code : {"{ file.open(p); }", "{ job->abort(); }", "{ reopen(p); }"}) {
    REQUIRE(ban_faults({"ext/x.cc", code, code}).empty());
  }
}

TEST_CASE("layering: includes point left only") {
  std::vector<std::string> faults;
  for (const SourceFile& file : sources()) {
    for (const Include& include : find_includes(file.text)) {
      const std::string fault = include_fault(layer_of(file.path), include);
      if (!fault.empty())
        faults.push_back(file.path + ":" + std::to_string(include.line) + ": " + fault);
    }
  }
  REQUIRE_FALSE(sources().empty());
  require_none(faults);
}

TEST_CASE("layering: every folder of ext has a row in the table") {
  for (const SourceFile& file : sources()) {
    const std::string layer = layer_of(file.path);
    INFO(file.path);
    if (file.path.starts_with("ext/")) REQUIRE(allowed_layers().count(layer) == 1);
  }
}

TEST_CASE("layering: banned calls stay in their file") {
  std::vector<std::string> faults;
  for (const SourceFile& file : sources()) {
    for (std::string& fault : ban_faults(file)) faults.push_back(std::move(fault));
  }
  require_none(faults);
}

TEST_CASE("layering: every source and test is in the build") {
  std::vector<std::string> faults;
  for (const SourceFile& file : sources()) {
    if (file.path.ends_with(".cc") && !is_named_in_build(file.path)) faults.push_back(file.path);
  }
  for (const std::string& path : list_files("tests")) {
    if (path.ends_with("_test.py") && !is_named_in_build(path)) faults.push_back(path);
  }
  require_none(faults);
}

TEST_CASE("layering: files, functions and lines are short") {
  std::vector<std::string> faults;
  for (const SourceFile& file : sources()) {
    const std::vector<std::string> lines = split_lines(file.text);
    if (lines.size() > kFileLinesMax) {
      faults.push_back(file.path + ": " + std::to_string(lines.size()) + " lines");
    }
    for (const Function& function : find_functions(file.code)) {
      if (function.line_count <= kFunctionLinesMax) continue;
      faults.push_back(file.path + ":" + std::to_string(function.line) + ": " + function.name +
                       " has " + std::to_string(function.line_count) + " lines");
    }
    for (size_t i = 0; i < lines.size(); ++i) {
      if (column_count(lines[i]) > kColumnsMax) {
        faults.push_back(file.path + ":" + std::to_string(i + 1) + ": over 100 columns");
      }
    }
  }
  require_none(faults);
}

TEST_CASE("layering: headers are guarded and nothing is left undone") {
  // Written in two halves so that this file does not find itself.
  const std::regex unfinished(std::string("\\b(TO") + "DO|FIX" + "ME|XX" + "X)\\b");
  std::vector<std::string> faults;
  for (const SourceFile& file : sources()) {
    if (file.path.ends_with(".h") && file.code.find("#pragma once") == std::string::npos) {
      faults.push_back(file.path + ": no #pragma once");
    }
    if (std::regex_search(file.text, unfinished)) faults.push_back(file.path + ": unfinished");
  }
  for (const std::string& path : list_files("sql")) {
    if (std::regex_search(read_text(source_dir() / path), unfinished)) {
      faults.push_back(path + ": unfinished");
    }
  }
  require_none(faults);
}

}  // namespace litestream::layering
