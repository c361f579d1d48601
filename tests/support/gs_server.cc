#include "tests/support/gs_server.h"

#include <algorithm>
#include <ctime>

#include "tests/support/s3_request.h"
#include "tests/support/sigv4_check.h"
#include "tests/support/test_hash.h"
#include "tests/support/test_xml.h"

namespace litestream::test {
namespace {

constexpr int64_t kSkewSecondsMax = 15 * 60;
constexpr std::string_view kAlgorithm = "GOOG4-HMAC-SHA256";

int64_t now_s() { return static_cast<int64_t>(std::time(nullptr)); }

std::string query_value(const WireRequest& wire, std::string_view name) {
  for (auto& [key, value] : parse_query(wire.query()).value_or(HeaderList{})) {
    if (key == name) return value;
  }
  return "";
}

bool has_query(const WireRequest& wire, std::string_view name) {
  for (auto& [key, value] : parse_query(wire.query()).value_or(HeaderList{})) {
    if (key == name) return true;
  }
  return false;
}

// "" for a bucket request, "?" if the path is none of ours.
std::string object_name(const WireRequest& wire, const std::string& bucket) {
  const std::string path = uri_decode(wire.path()).value_or("?");
  const std::string prefix = "/" + bucket;
  if (path == prefix || path == prefix + "/") return "";
  return path.starts_with(prefix + "/") ? path.substr(prefix.size() + 1) : "?";
}

std::string kind_of(const WireRequest& wire, const std::string& name) {
  if (wire.path() == "/token") return wire.method == "POST" ? "token" : "other";
  if (name.empty()) return wire.method == "GET" ? "list" : "other";
  if (has_query(wire, "upload_id")) {
    return wire.method == "PUT" ? "chunk" : wire.method == "DELETE" ? "cancel" : "other";
  }
  if (wire.method == "POST" && wire.header("x-goog-resumable") == "start") return "begin";
  if (wire.method == "PUT") return "put";
  if (wire.method == "GET" || wire.method == "HEAD") return "get";
  return wire.method == "DELETE" ? "delete" : "other";
}

// Google's V4 signature of a request that carries it in Authorization: the algorithm of SigV4 under
// other names.
std::string goog4_signature(const WireRequest& wire, const SigV4Claim& claim,
                            const std::string& secret_key) {
  const std::string canonical =
      sigv4_canonical_request(wire, claim.signed_headers, wire.header("x-goog-content-sha256"));
  const std::string text = std::string(kAlgorithm) + "\n" + wire.header("x-goog-date") + "\n" +
                           claim.date + "/" + claim.region + "/" + claim.service +
                           "/goog4_request\n" + hex(sha256(canonical));
  std::string key = hmac_sha256("GOOG4" + secret_key, claim.date);
  key = hmac_sha256(key, claim.region);
  key = hmac_sha256(key, claim.service);
  return hex(hmac_sha256(hmac_sha256(key, "goog4_request"), text));
}

// The claim with Google's words replaced by Amazon's, which the parser knows.
std::optional<SigV4Claim> parse_goog4_claim(std::string text) {
  if (!text.starts_with(kAlgorithm)) return std::nullopt;
  text.replace(0, kAlgorithm.size(), "AWS4-HMAC-SHA256");
  const size_t at = text.find("/goog4_request");
  if (at == std::string::npos) return std::nullopt;
  return parse_sigv4_claim(text.replace(at, 14, "/aws4_request"));
}

std::string json_string(const std::string& json, const std::string& name) {
  const size_t at = json.find("\"" + name + "\":\"");
  if (at == std::string::npos) return "";
  const size_t begin = at + name.size() + 4;
  return json.substr(begin, json.find('"', begin) - begin);
}

int64_t json_number(const std::string& json, const std::string& name) {
  const size_t at = json.find("\"" + name + "\":");
  return at == std::string::npos ? 0 : std::stoll("0" + json.substr(at + name.size() + 3, 15));
}

std::optional<uint64_t> generation_match(const WireRequest& wire) {
  const std::string text = wire.header("x-goog-if-generation-match");
  if (text.empty()) return std::nullopt;
  return std::stoull("0" + text);
}

std::map<std::string, std::string> metadata_of(const WireRequest& wire) {
  constexpr std::string_view kPrefix = "x-goog-meta-";
  std::map<std::string, std::string> metadata;
  for (const auto& [written, value] : wire.headers) {
    std::string name = written;
    for (char& c : name) c = static_cast<char>(std::tolower(c));
    if (name.starts_with(kPrefix)) metadata[name.substr(kPrefix.size())] = value;
  }
  return metadata;
}

}  // namespace

GsServer::GsServer(GsOptions options)
    : options_(std::move(options)),
      key_(make_rsa_key_pair()),
      wire_(
          std::make_unique<WireServer>([this](const WireRequest& wire) { return handle(wire); })) {}

std::string GsServer::service_account_json() const {
  std::string pem;
  for (const char c : key_.private_pem) pem += c == '\n' ? "\\n" : std::string(1, c);
  return "{\n  \"type\": \"service_account\",\n  \"project_id\": \"project\",\n"
         "  \"private_key_id\": \"0123456789abcdef\",\n  \"private_key\": \"" +
         pem + "\",\n  \"client_email\": \"" + options_.client_email +
         "\",\n  \"client_id\": \"1\",\n  \"token_uri\": \"" + url() + "/token\"\n}\n";
}

void GsServer::set_hook(Hook hook) {
  const std::lock_guard lock(mutex_);
  hook_ = std::move(hook);
}

void GsServer::revoke_tokens() {
  const std::lock_guard lock(mutex_);
  tokens_.clear();
}

void GsServer::set_chunk_kept_max(size_t count) {
  const std::lock_guard lock(mutex_);
  chunk_kept_max_ = count;
}

uint64_t GsServer::count(const std::string& kind) const {
  const std::lock_guard lock(mutex_);
  const auto found = counts_.find(kind);
  return found == counts_.end() ? 0 : found->second;
}

std::vector<std::string> GsServer::log() const {
  const std::lock_guard lock(mutex_);
  return log_;
}

std::map<std::string, std::string> GsServer::objects() const {
  const std::lock_guard lock(mutex_);
  std::map<std::string, std::string> out;
  for (const auto& [name, object] : objects_) out[name] = object.bytes;
  return out;
}

void GsServer::put(const std::string& name, std::string bytes) {
  const std::lock_guard lock(mutex_);
  (void)store(name, {std::move(bytes), 0, {}, 0, ""});
}

std::string GsServer::metadata(const std::string& object, const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto found = objects_.find(object);
  if (found == objects_.end()) return "";
  const auto value = found->second.metadata.find(name);
  return value == found->second.metadata.end() ? "" : value->second;
}

size_t GsServer::upload_count() const {
  const std::lock_guard lock(mutex_);
  return uploads_.size();
}

WireReply GsServer::error(int status, const std::string& code) {
  WireReply reply =
      text_reply(status, "application/xml; charset=UTF-8",
                 "<?xml version='1.0' encoding='UTF-8'?><Error>" + xml_element("Code", code) +
                     xml_element("Message", "as the test wants it") + "</Error>");
  reply.headers.emplace_back("x-test-code", code);
  return reply;
}

WireReply GsServer::handle(const WireRequest& wire) {
  Call call{kind_of(wire, object_name(wire, options_.bucket)), 0, wire};
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
  const std::string* code = find_header(reply.headers, "x-test-code");
  const std::lock_guard lock(mutex_);
  log_.push_back(call.kind + " " + wire.method + " " + wire.target + " -> " +
                 std::to_string(reply.status) + (code ? " " + *code : ""));
  return reply;
}

WireReply GsServer::run(const Call& call) {
  const std::lock_guard lock(mutex_);
  const WireRequest& wire = call.wire;
  if (call.kind == "token") return run_token(wire);
  // The address of a resumable upload is itself the right to it.
  const bool has_session = call.kind == "chunk" || call.kind == "cancel";
  if (const auto refusal = judge(wire); refusal && !has_session) {
    return error(refusal->status, refusal->code);
  }
  const std::string name = object_name(wire, options_.bucket);
  if (name == "?") return error(404, "NoSuchBucket");
  if (call.kind == "put") return run_put(wire, name);
  if (call.kind == "begin") return run_begin(wire, name);
  if (call.kind == "chunk") return run_chunk(wire);
  if (call.kind == "get") return run_get(wire, name);
  if (call.kind == "delete") return run_delete(name);
  if (call.kind == "list") return run_list(wire);
  if (call.kind == "cancel") {
    const bool is_known = uploads_.erase(query_value(wire, "upload_id")) > 0;
    return error(is_known ? 499 : 404, is_known ? "ClientClosedRequest" : "NoSuchUpload");
  }
  return error(400, "InvalidArgument");
}

std::optional<GsServer::Refusal> GsServer::judge(const WireRequest& wire) const {
  const std::string fault = s3_target_fault(wire);
  if (!fault.empty()) return Refusal{400, "InvalidURI"};
  for (const auto& [name, value] : wire.headers) {
    if (std::string_view(name).starts_with("x-amz-")) return Refusal{400, "ExcessHeaderValues"};
  }
  if (wire.has_header("content-md5") && wire.header("content-md5") != base64(md5(wire.body))) {
    return Refusal{400, "BadDigest"};
  }
  const std::string authorization = wire.header("authorization");
  constexpr std::string_view kBearer = "Bearer ";
  if (!authorization.starts_with(kBearer)) return judge_hmac(wire);
  const auto token = tokens_.find(authorization.substr(kBearer.size()));
  if (token == tokens_.end() || now_s() >= token->second) {
    return Refusal{401, "AuthenticationRequired"};
  }
  return std::nullopt;
}

std::optional<GsServer::Refusal> GsServer::judge_hmac(const WireRequest& wire) const {
  const auto claim = parse_goog4_claim(wire.header("authorization"));
  if (!claim) return Refusal{403, "AccessDenied"};
  if (claim->access_key != options_.access_key) return Refusal{403, "InvalidAccessKeyId"};
  const std::string timestamp = wire.header("x-goog-date");
  if (timestamp.substr(0, 8) != claim->date || claim->service != "storage") {
    return Refusal{403, "AccessDenied"};
  }
  const auto& names = claim->signed_headers;
  const auto is_signed = [&](const std::string& name) {
    return std::binary_search(names.begin(), names.end(), name);
  };
  if (!is_signed("host") || is_signed("accept-encoding")) return Refusal{403, "AccessDenied"};
  for (const auto& [written, value] : wire.headers) {
    std::string name = written;
    for (char& c : name) c = static_cast<char>(std::tolower(c));
    if (name.starts_with("x-goog-") && !is_signed(name)) return Refusal{403, "AccessDenied"};
  }
  const std::string payload = wire.header("x-goog-content-sha256");
  if (payload != "UNSIGNED-PAYLOAD" && payload != hex(sha256(wire.body))) {
    return Refusal{400, "XGoogContentSHA256Mismatch"};
  }
  if (goog4_signature(wire, *claim, options_.secret_key) != claim->signature) {
    return Refusal{403, "SignatureDoesNotMatch"};
  }
  if (std::llabs(parse_amz_date(timestamp) - now_s()) > kSkewSecondsMax) {
    return Refusal{403, "RequestTimeTooSkewed"};
  }
  return std::nullopt;
}

std::optional<GsServer::Refusal> GsServer::judge_match(std::optional<uint64_t> wanted,
                                                       const std::string& name) const {
  if (!wanted) return std::nullopt;
  const auto existing = objects_.find(name);
  const uint64_t generation = existing == objects_.end() ? 0 : existing->second.generation;
  if (generation == *wanted) return std::nullopt;
  return Refusal{412, "PreconditionFailed"};
}

// Gives a token for a JWT that is signed by our key and says the right things.
WireReply GsServer::run_token(const WireRequest& wire) {
  std::map<std::string, std::string> form;
  for (auto& [name, value] : parse_query(wire.body).value_or(HeaderList{})) form[name] = value;
  const std::string jwt = form["assertion"];
  const size_t first = jwt.find('.');
  const size_t second = jwt.find('.', first + 1);
  const auto refuse = [](const char* why) {
    return text_reply(
        400, "application/json",
        std::string("{\"error\":\"invalid_grant\",\"error_description\":\"") + why + "\"}");
  };
  if (form["grant_type"] != "urn:ietf:params:oauth:grant-type:jwt-bearer") return refuse("grant");
  if (first == std::string::npos || second == std::string::npos) return refuse("no JWT");
  const std::string header = from_base64_url(jwt.substr(0, first));
  const std::string claims = from_base64_url(jwt.substr(first + 1, second - first - 1));
  const std::string signature = from_base64_url(jwt.substr(second + 1));
  if (json_string(header, "alg") != "RS256") return refuse("not RS256");
  if (!verify_rs256(key_.public_pem, jwt.substr(0, second), signature)) return refuse("signature");
  if (json_string(claims, "iss") != options_.client_email) return refuse("iss");
  if (json_string(claims, "aud") != url() + "/token") return refuse("aud");
  if (json_string(claims, "scope") != "https://www.googleapis.com/auth/devstorage.read_write") {
    return refuse("scope");
  }
  const int64_t issued_s = json_number(claims, "iat");
  const int64_t expires_s = json_number(claims, "exp");
  if (std::llabs(issued_s - now_s()) > 300 || expires_s - issued_s > 3600 || expires_s < now_s()) {
    return refuse("iat or exp");
  }
  const std::string token = "ya29.test-" + std::to_string(++token_total_);
  tokens_[token] = now_s() + options_.token_lifetime_s;
  return text_reply(200, "application/json",
                    "{\"access_token\":\"" + token +
                        "\",\"token_type\":\"Bearer\",\"expires_in\":" +
                        std::to_string(options_.token_lifetime_s) + "}");
}

WireReply GsServer::store(const std::string& name, Object object) {
  object.generation = ++generation_total_;
  object.modified_s = now_s();
  WireReply reply;
  reply.headers.emplace_back("x-goog-generation", std::to_string(object.generation));
  object.etag = "\"" + hex(md5(object.bytes)) + "\"";
  reply.headers.emplace_back("ETag", object.etag);
  objects_[name] = std::move(object);
  return reply;
}

WireReply GsServer::run_put(const WireRequest& wire, const std::string& name) {
  if (const auto refusal = judge_match(generation_match(wire), name)) {
    return error(refusal->status, refusal->code);
  }
  return store(name, {wire.body, 0, metadata_of(wire), 0, ""});
}

}  // namespace litestream::test
