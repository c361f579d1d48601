#include "tests/support/abs_server.h"

#include <algorithm>
#include <ctime>

#include "tests/support/s3_request.h"
#include "tests/support/sigv4_check.h"
#include "tests/support/test_hash.h"
#include "tests/support/test_xml.h"

namespace litestream::test {
namespace {

constexpr int64_t kSkewSecondsMax = 15 * 60;

std::string lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

std::map<std::string, std::string> query_of(const WireRequest& wire) {
  std::map<std::string, std::string> query;
  for (auto& [name, value] : parse_query(wire.query()).value_or(HeaderList{})) query[name] = value;
  return query;
}

int64_t parse_http_date(const std::string& text) {
  std::tm parts{};
  const char* end = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return end == nullptr || *end != '\0' ? -1 : static_cast<int64_t>(::timegm(&parts));
}

int64_t parse_iso(const std::string& text) {
  std::tm parts{};
  const char* end = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return end == nullptr || *end != '\0' ? -1 : static_cast<int64_t>(::timegm(&parts));
}

std::string iso(int64_t unix_s) { return format_iso8601(unix_s).substr(0, 19) + "Z"; }

// "" for a bucket request, "?" if the path is none of ours.
std::string blob_name(const WireRequest& wire, const std::string& container) {
  const std::string path = uri_decode(wire.path()).value_or("?");
  const std::string prefix = "/" + container;
  if (path == prefix) return "";
  return path.starts_with(prefix + "/") ? path.substr(prefix.size() + 1) : "?";
}

std::string kind_of(const WireRequest& wire, const std::string& name) {
  const auto query = query_of(wire);
  const auto is = [&](const char* key, const char* value) {
    const auto found = query.find(key);
    return found != query.end() && found->second == value;
  };
  if (name.empty()) {
    return wire.method == "GET" && is("restype", "container") && is("comp", "list") ? "list"
                                                                                    : "other";
  }
  if (wire.method == "PUT") {
    return is("comp", "block") ? "block" : is("comp", "blocklist") ? "commit" : "put";
  }
  if (wire.method == "GET" || wire.method == "HEAD") return "get";
  return wire.method == "DELETE" ? "delete" : "other";
}

// What a SharedKey signature is over.
std::string shared_key_text(const WireRequest& wire, const std::string& account) {
  std::string text = wire.method + "\n";
  for (const char* name :
       {"content-encoding", "content-language", "content-length", "content-md5", "content-type",
        "date", "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range"}) {
    const std::string value = wire.header(name);
    text += (std::string_view(name) == "content-length" && value == "0" ? "" : value) + "\n";
  }
  std::map<std::string, std::string> headers;
  for (const auto& [name, value] : wire.headers) {
    if (lower(name).starts_with("x-ms-")) headers[lower(name)] = value;
  }
  for (const auto& [name, value] : headers) text += name + ":" + value + "\n";
  text += "/" + account + wire.path();
  std::map<std::string, std::string> query;
  for (const auto& [name, value] : query_of(wire)) query[lower(name)] = value;
  for (const auto& [name, value] : query) text += "\n" + name + ":" + value;
  return text;
}

// What the signature of a SAS token is over, service version 2020-12-06 and later.
std::string sas_text(const std::map<std::string, std::string>& token, const AbsOptions& options) {
  const auto value = [&](const char* name) {
    const auto found = token.find(name);
    return found == token.end() ? std::string() : found->second;
  };
  return value("sp") + "\n" + value("st") + "\n" + value("se") + "\n/blob/" + options.account +
         "/" + options.container + "\n" + value("si") + "\n" + value("sip") + "\n" + value("spr") +
         "\n" + value("sv") + "\n" + value("sr") + "\n\n" + value("ses") + "\n" + value("rscc") +
         "\n" + value("rscd") + "\n" + value("rsce") + "\n" + value("rscl") + "\n" + value("rsct");
}

}  // namespace

AbsServer::AbsServer(AbsOptions options)
    : options_(std::move(options)),
      wire_(
          std::make_unique<WireServer>([this](const WireRequest& wire) { return handle(wire); })) {}

std::string AbsServer::make_sas(const std::string& permissions, int64_t start_s,
                                int64_t expiry_s) const {
  std::map<std::string, std::string> token = {{"sp", permissions},   {"st", iso(start_s)},
                                              {"se", iso(expiry_s)}, {"spr", "https,http"},
                                              {"sv", "2022-11-02"},  {"sr", "c"}};
  token["sig"] = base64(hmac_sha256(from_base64(options_.key_base64), sas_text(token, options_)));
  std::string query;
  for (const auto& [name, value] : token) {
    query += (query.empty() ? "" : "&") + name + "=" + uri_encode(value, false);
  }
  return query;
}

void AbsServer::set_hook(Hook hook) {
  const std::lock_guard lock(mutex_);
  hook_ = std::move(hook);
}

uint64_t AbsServer::count(const std::string& kind) const {
  const std::lock_guard lock(mutex_);
  const auto found = counts_.find(kind);
  return found == counts_.end() ? 0 : found->second;
}

std::vector<std::string> AbsServer::log() const {
  const std::lock_guard lock(mutex_);
  return log_;
}

std::map<std::string, std::string> AbsServer::blobs() const {
  const std::lock_guard lock(mutex_);
  std::map<std::string, std::string> out;
  for (const auto& [name, blob] : blobs_) out[name] = blob.bytes;
  return out;
}

void AbsServer::put(const std::string& name, std::string bytes) {
  const std::lock_guard lock(mutex_);
  blobs_[name] = {std::move(bytes),
                  "\"0x" + std::to_string(++etag_total_) + "\"",
                  {},
                  static_cast<int64_t>(std::time(nullptr))};
}

std::string AbsServer::metadata(const std::string& blob, const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto found = blobs_.find(blob);
  if (found == blobs_.end()) return "";
  const auto value = found->second.metadata.find(name);
  return value == found->second.metadata.end() ? "" : value->second;
}

size_t AbsServer::uncommitted_block_count() const {
  const std::lock_guard lock(mutex_);
  size_t total = 0;
  for (const auto& [blob, blocks] : blocks_) total += blocks.size();
  return total;
}

WireReply AbsServer::error(int status, const std::string& code) {
  WireReply reply = text_reply(status, "application/xml",
                               "\xEF\xBB\xBF<?xml version=\"1.0\" encoding=\"utf-8\"?><Error>" +
                                   xml_element("Code", code) +
                                   xml_element("Message", "as the test wants it") + "</Error>");
  reply.headers.emplace_back("x-ms-error-code", code);
  return reply;
}

WireReply AbsServer::handle(const WireRequest& wire) {
  Call call{kind_of(wire, blob_name(wire, options_.container)), 0, wire};
  Hook hook;
  {
    const std::lock_guard lock(mutex_);
    call.number = ++counts_[call.kind];
    hook = hook_;
  }
  const auto instead = hook ? hook(call) : std::nullopt;
  WireReply reply;
  if (!instead || instead->is_done) reply = run(call);
  if (instead) reply = instead->reply;
  const std::string* code = find_header(reply.headers, "x-ms-error-code");
  const std::lock_guard lock(mutex_);
  log_.push_back(call.kind + " " + wire.method + " " + wire.target + " -> " +
                 std::to_string(reply.status) + (code ? " " + *code : ""));
  return reply;
}

WireReply AbsServer::run(const Call& call) {
  const std::lock_guard lock(mutex_);
  const WireRequest& wire = call.wire;
  if (const auto refusal = judge(wire)) return error(refusal->status, refusal->code);
  const std::string name = blob_name(wire, options_.container);
  if (name == "?") return error(404, "ContainerNotFound");
  if (call.kind == "put") {
    if (wire.header("x-ms-blob-type") != "BlockBlob") return error(400, "MissingRequiredHeader");
    return run_put(wire, name, wire.body);
  }
  if (call.kind == "block") return run_block(wire, name);
  if (call.kind == "commit") return run_commit(wire, name);
  if (call.kind == "get") return run_get(wire, name);
  if (call.kind == "delete") return run_delete(name);
  if (call.kind == "list") return run_list(wire);
  return error(400, "UnsupportedHttpVerb");
}

std::optional<AbsServer::Refusal> AbsServer::judge(const WireRequest& wire) const {
  if (wire.header("x-ms-version").empty()) return Refusal{400, "MissingRequiredHeader"};
  if (wire.header("x-ms-version") < "2020-12-06") return Refusal{400, "InvalidHeaderValue"};
  if (wire.has_header("content-md5") && wire.header("content-md5") != base64(md5(wire.body))) {
    return Refusal{400, "Md5Mismatch"};
  }
  return wire.has_header("authorization") ? judge_shared_key(wire) : judge_sas(wire);
}

std::optional<AbsServer::Refusal> AbsServer::judge_shared_key(const WireRequest& wire) const {
  const int64_t sent_s = parse_http_date(wire.header("x-ms-date"));
  if (std::llabs(sent_s - static_cast<int64_t>(std::time(nullptr))) > kSkewSecondsMax) {
    return Refusal{403, "AuthenticationFailed"};
  }
  const std::string text = shared_key_text(wire, options_.account);
  const std::string expected = "SharedKey " + options_.account + ":" +
                               base64(hmac_sha256(from_base64(options_.key_base64), text));
  if (wire.header("authorization") != expected) return Refusal{403, "AuthenticationFailed"};
  return std::nullopt;
}

std::optional<AbsServer::Refusal> AbsServer::judge_sas(const WireRequest& wire) const {
  auto token = query_of(wire);
  const std::string signature = token["sig"];
  const std::string expected =
      base64(hmac_sha256(from_base64(options_.key_base64), sas_text(token, options_)));
  if (signature != expected) return Refusal{403, "AuthenticationFailed"};
  const auto now_s = static_cast<int64_t>(std::time(nullptr));
  if (now_s < parse_iso(token["st"]) || now_s >= parse_iso(token["se"])) {
    return Refusal{403, "AuthenticationFailed"};
  }
  const std::map<std::string, std::string> needed = {{"list", "l"}, {"get", "r"}, {"delete", "d"}};
  const auto found = needed.find(kind_of(wire, blob_name(wire, options_.container)));
  const std::string any_of = found == needed.end() ? "cw" : found->second;
  if (token["sp"].find_first_of(any_of) == std::string::npos) {
    return Refusal{403, "AuthorizationPermissionMismatch"};
  }
  return std::nullopt;
}

std::optional<AbsServer::Refusal> AbsServer::judge_conditions(const WireRequest& wire,
                                                              const Blob* existing) const {
  if (wire.header("if-none-match") == "*" && existing != nullptr) {
    return Refusal{409, "BlobAlreadyExists"};
  }
  const std::string match = wire.header("if-match");
  if (!match.empty() && (existing == nullptr || existing->etag != match)) {
    return Refusal{412, "ConditionNotMet"};
  }
  return std::nullopt;
}

}  // namespace litestream::test
