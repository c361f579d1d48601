// The services that hand out AWS credentials for a while, scripted and strict: STS for a web
// identity, a container's agent, the metadata service of a machine (version 2 only).
// Threading: thread-safe.
#pragma once

#include <atomic>
#include <map>
#include <string>

#include "tests/support/sigv4_check.h"
#include "tests/support/wire_server.h"

namespace litestream::test {

class AwsServices {
 public:
  struct Keys {
    std::string access_key = "ASIATEMPORARYTEMPORA";
    std::string secret_key = "temporarySecret+/0123456789";
    std::string session_token = "temporary//token++of==the-tests";
    std::string expiration;  // RFC 3339
  };
  // What callers must show.
  static constexpr char kWebIdentityToken[] = "eyJhbGciOi.web+identity/token.sig=";
  static constexpr char kRoleArn[] = "arn:aws:iam::123456789012:role/backup";
  static constexpr char kContainerToken[] = "container authorization";

  AwsServices() : server_([this](const WireRequest& request) { return answer(request); }) {}

  std::string url() const { return server_.url(); }
  void set_keys(Keys keys) {
    const std::lock_guard lock(mutex_);
    keys_ = std::move(keys);
  }
  void set_broken(bool is_broken) { is_broken_ = is_broken; }
  int hand_out_count() const { return hand_out_count_; }
  int refusal_count() const { return refusal_count_; }

 private:
  WireReply refuse(int status) {
    ++refusal_count_;
    return text_reply(status, "text/plain", "no");
  }
  std::string json() {
    const std::lock_guard lock(mutex_);
    ++hand_out_count_;
    return "{\"Code\":\"Success\",\"Type\":\"AWS-HMAC\",\"AccessKeyId\":\"" + keys_.access_key +
           "\",\"SecretAccessKey\":\"" + keys_.secret_key + "\",\"Token\":\"" +
           keys_.session_token + "\",\"Expiration\":\"" + keys_.expiration + "\"}";
  }
  std::string xml() {
    const std::lock_guard lock(mutex_);
    ++hand_out_count_;
    return "<AssumeRoleWithWebIdentityResponse "
           "xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"
           "<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>" +
           keys_.access_key + "</AccessKeyId><SecretAccessKey>" + keys_.secret_key +
           "</SecretAccessKey><SessionToken>" + keys_.session_token +
           "</SessionToken><Expiration>" + keys_.expiration +
           "</Expiration></Credentials></AssumeRoleWithWebIdentityResult>"
           "</AssumeRoleWithWebIdentityResponse>";
  }
  WireReply sts(const WireRequest& request) {
    std::map<std::string, std::string> form;
    for (auto& [name, value] : parse_query(request.body).value_or(HeaderList{})) form[name] = value;
    const bool is_right = request.method == "POST" && !request.has_header("authorization") &&
                          form["Action"] == "AssumeRoleWithWebIdentity" &&
                          form["Version"] == "2011-06-15" && form["RoleArn"] == kRoleArn &&
                          !form["RoleSessionName"].empty() &&
                          form["WebIdentityToken"] == kWebIdentityToken;
    if (!is_right) return refuse(403);
    return text_reply(200, "text/xml", xml());
  }
  WireReply metadata(const WireRequest& request) {
    const std::string roles = "/latest/meta-data/iam/security-credentials/";
    if (request.target == "/latest/api/token") {
      const std::string ttl = request.header("x-aws-ec2-metadata-token-ttl-seconds");
      if (request.method != "PUT" || ttl.empty()) return refuse(400);
      return text_reply(200, "text/plain", "metadata-session-token==");
    }
    if (request.header("x-aws-ec2-metadata-token") != "metadata-session-token==") {
      return refuse(401);
    }
    if (request.target == roles) return text_reply(200, "text/plain", "backup-role\n");
    if (request.target == roles + "backup-role") return text_reply(200, "text/plain", json());
    return refuse(404);
  }
  WireReply answer(const WireRequest& request) {
    if (is_broken_) return text_reply(500, "text/plain", "broken");
    if (request.target == "/container?id=1") {
      if (request.header("authorization") != kContainerToken) return refuse(403);
      return text_reply(200, "application/json", json());
    }
    return request.target == "/" ? sts(request) : metadata(request);
  }

  std::mutex mutex_;
  Keys keys_;  // guarded by mutex_
  std::atomic<bool> is_broken_{false};
  std::atomic<int> hand_out_count_{0};
  std::atomic<int> refusal_count_{0};
  WireServer server_;  // last: its threads use the rest
};

}  // namespace litestream::test
