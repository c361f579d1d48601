// Configuration and options text from anywhere. The first byte picks the reader. What must hold:
// no crash, no exception, an error names its place, and what was accepted is within its limits.
#include <string>
#include <string_view>

#include "ext/base/json.h"
#include "ext/base/limits.h"
#include "ext/config/durations.h"
#include "ext/config/litestream_yml.h"
#include "ext/config/sizes.h"
#include "ext/config/url.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace litestream;

void read_config(std::string_view text) {
  const EnvLookup env = [](const std::string& name) -> std::optional<std::string> {
    if (name.size() % 2 == 0) return std::nullopt;
    return name;
  };
  const auto config = parse_config(text, "f", env);
  if (!config.ok()) {
    FUZZ_REQUIRE(config.status().message().starts_with("f:"));
    return;
  }
  for (const DatabaseOptions& database : config->databases) {
    FUZZ_REQUIRE(!database.path.empty() && database.path.size() <= kPathBytesMax + 1);
    FUZZ_REQUIRE(!database.replicas.empty() && !database.replicas[0].url.empty());
    FUZZ_REQUIRE(validate_options(database).ok());
  }
}

void read_options(std::string_view text) {
  DatabaseOptions options;
  if (apply_options_json(text, &options).ok()) FUZZ_REQUIRE(validate_options(options).ok());
  const auto object = parse_flat_json_object(text);
  if (!object.ok()) return;
  // Written out again it reads the same.
  std::string again = "{";
  for (const auto& [key, value] : *object) {
    if (again.size() > 1) again += ',';
    const bool is_string = value.kind == JsonScalar::Kind::kString;
    again += json_quote(key) + ":" + (is_string ? json_quote(value.text) : value.text);
  }
  again += "}";
  if (again.size() > kOptionsJsonBytesMax) return;
  const auto same = parse_flat_json_object(again);
  FUZZ_REQUIRE(same.ok() && same->size() == object->size());
  for (const auto& [key, value] : *object) {
    const auto found = same->find(key);
    FUZZ_REQUIRE(found != same->end() && found->second.kind == value.kind &&
                 found->second.text == value.text);
  }
}

void read_words(std::string_view text) {
  const auto duration = parse_duration_ms(text);
  if (duration.ok()) FUZZ_REQUIRE(*parse_duration_ms(format_duration_ms(*duration)) == *duration);
  const auto size = parse_size_bytes(text);
  if (size.ok()) FUZZ_REQUIRE(*parse_size_bytes(format_size_bytes(*size)) == *size);
  const auto url = canonical_replica_url(text);
  if (url.ok()) FUZZ_REQUIRE(*canonical_replica_url(*url) == *url);
  (void)redact_url(text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0: read_config(text); break;
    case 1: read_options(text); break;
    default: read_words(text); break;
  }
  return 0;
}
