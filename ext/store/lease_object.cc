#include "ext/store/lease_object.h"

#include <charconv>

#include "ext/base/clock.h"
#include "ext/base/json.h"

namespace litestream {
namespace {

constexpr size_t kLeaseBytesMax = 4096;

Status bad_lease(const std::string& why) {
  return corrupt(std::string(kLeaseObjectName) + " is no lease: " + why +
                 "; delete it if no writer is running");
}

}  // namespace

std::string format_lease(const Lease& lease) {
  return "{\"generation\":" + std::to_string(lease.generation) + ",\"expires_at\":\"" +
         format_rfc3339_ms(lease.expires_at_ms) + "\",\"owner\":" + json_quote(lease.owner) + "}";
}

Result<Lease> parse_lease(std::string_view text) {
  if (text.size() > kLeaseBytesMax) return bad_lease("it is too long");
  const auto members = parse_flat_json_object(text);
  if (!members.ok()) return bad_lease(members.status().message());
  const auto text_of = [&](const char* name, JsonScalar::Kind kind) -> const std::string* {
    const auto found = members->find(name);
    return found != members->end() && found->second.kind == kind ? &found->second.text : nullptr;
  };
  Lease lease;
  const std::string* generation = text_of("generation", JsonScalar::Kind::kNumber);
  const std::string* expires_at = text_of("expires_at", JsonScalar::Kind::kString);
  const std::string* owner = text_of("owner", JsonScalar::Kind::kString);
  if (generation == nullptr || expires_at == nullptr || owner == nullptr) {
    return bad_lease("generation, expires_at or owner is missing");
  }
  const char* end = generation->data() + generation->size();
  const auto parsed = std::from_chars(generation->data(), end, lease.generation);
  if (parsed.ec != std::errc() || parsed.ptr != end) return bad_lease("bad generation");
  const auto expires_at_ms = parse_rfc3339_ms(*expires_at);
  if (!expires_at_ms.ok()) return bad_lease("bad expires_at");
  lease.expires_at_ms = *expires_at_ms;
  lease.owner = *owner;
  return lease;
}

}  // namespace litestream
