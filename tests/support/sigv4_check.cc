#include "tests/support/sigv4_check.h"

#include <strings.h>

#include <algorithm>

#include "tests/support/test_hash.h"

namespace litestream::test {
namespace {

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (true) {
    const size_t at = text.find(separator);
    parts.emplace_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string canonical_query(std::string_view query) {
  const auto pairs = parse_query(query);
  if (!pairs) return "?";
  std::vector<std::pair<std::string, std::string>> encoded;
  for (const auto& [name, value] : *pairs) {
    encoded.emplace_back(uri_encode(name, false), uri_encode(value, false));
  }
  std::sort(encoded.begin(), encoded.end());
  std::string out;
  for (const auto& [name, value] : encoded) {
    out += out.empty() ? "" : "&";
    out += name + "=" + value;
  }
  return out;
}

std::string collapsed(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c != ' ' || out.empty() || out.back() != ' ') out += c;
  }
  return out;
}

std::string header_values(const HeaderList& headers, const std::string& name) {
  std::string out;
  bool is_first = true;
  for (const auto& [key, value] : headers) {
    if (::strcasecmp(key.c_str(), name.c_str()) != 0) continue;
    out += is_first ? "" : ",";
    out += collapsed(value);
    is_first = false;
  }
  return out;
}

}  // namespace

std::string uri_encode(std::string_view text, bool keeps_slash) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~' ||
                          (keeps_slash && c == '/');
    if (is_plain) {
      out += c;
      continue;
    }
    out += '%';
    out += kDigits[static_cast<unsigned char>(c) >> 4];
    out += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

std::optional<std::string> uri_decode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = hex_digit(text[i + 1]);
    const int low = hex_digit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

std::optional<std::vector<std::pair<std::string, std::string>>> parse_query(
    std::string_view query) {
  std::vector<std::pair<std::string, std::string>> pairs;
  if (query.empty()) return pairs;
  for (const std::string& part : split(query, '&')) {
    const size_t equals = part.find('=');
    const auto name = uri_decode(std::string_view(part).substr(0, equals));
    const auto value =
        equals == std::string::npos ? std::string() : uri_decode(part.substr(equals + 1));
    if (!name || !value) return std::nullopt;
    pairs.emplace_back(*name, *value);
  }
  return pairs;
}

std::optional<SigV4Claim> parse_sigv4_claim(std::string_view authorization) {
  constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256 ";
  if (!authorization.starts_with(kAlgorithm)) return std::nullopt;
  SigV4Claim claim;
  std::string scope_end;
  for (std::string field : split(authorization.substr(kAlgorithm.size()), ',')) {
    field.erase(0, field.find_first_not_of(' '));
    const size_t equals = field.find('=');
    if (equals == std::string::npos) return std::nullopt;
    const std::string name = field.substr(0, equals);
    const std::string value = field.substr(equals + 1);
    if (name == "Credential") {
      const auto parts = split(value, '/');
      if (parts.size() != 5 || parts[4] != "aws4_request") return std::nullopt;
      claim.access_key = parts[0];
      claim.date = parts[1];
      claim.region = parts[2];
      claim.service = parts[3];
    } else if (name == "SignedHeaders") {
      claim.signed_headers = split(value, ';');
    } else if (name == "Signature") {
      claim.signature = value;
    } else {
      return std::nullopt;
    }
  }
  const auto& names = claim.signed_headers;
  const bool is_ascending = std::is_sorted(names.begin(), names.end()) &&
                            std::adjacent_find(names.begin(), names.end()) == names.end();
  const bool is_lower = std::all_of(names.begin(), names.end(), [](const std::string& name) {
    return !name.empty() &&
           std::none_of(name.begin(), name.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
  });
  if (claim.access_key.empty() || claim.signature.size() != 64 || !is_ascending || !is_lower) {
    return std::nullopt;
  }
  return claim;
}

std::string sigv4_canonical_request(const WireRequest& request,
                                    const std::vector<std::string>& signed_headers,
                                    std::string_view payload_hash) {
  std::string out = request.method + "\n";
  out += uri_encode(uri_decode(request.path()).value_or("?"), true) + "\n";
  out += canonical_query(request.query()) + "\n";
  std::string names;
  for (const std::string& name : signed_headers) {
    out += name + ":" + header_values(request.headers, name) + "\n";
    names += (names.empty() ? "" : ";") + name;
  }
  return out + "\n" + names + "\n" + std::string(payload_hash);
}

std::string sigv4_string_to_sign(std::string_view timestamp, const SigV4Claim& claim,
                                 std::string_view canonical_request) {
  return "AWS4-HMAC-SHA256\n" + std::string(timestamp) + "\n" + claim.date + "/" + claim.region +
         "/" + claim.service + "/aws4_request\n" + hex(sha256(canonical_request));
}

std::string sigv4_signing_key(std::string_view secret_key, const SigV4Claim& claim) {
  std::string key = hmac_sha256("AWS4" + std::string(secret_key), claim.date);
  key = hmac_sha256(key, claim.region);
  key = hmac_sha256(key, claim.service);
  return hmac_sha256(key, "aws4_request");
}

std::string sigv4_signature(std::string_view secret_key, const SigV4Claim& claim,
                            std::string_view timestamp, std::string_view canonical_request) {
  return hex(hmac_sha256(sigv4_signing_key(secret_key, claim),
                         sigv4_string_to_sign(timestamp, claim, canonical_request)));
}

}  // namespace litestream::test
