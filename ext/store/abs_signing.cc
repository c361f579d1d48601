// Azure's SharedKey signature.
#include <algorithm>
#include <map>

#include "ext/store/abs_store.h"
#include "ext/store/remote_http.h"

namespace litestream {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

}  // namespace

std::string abs_string_to_sign(const HttpRequest& request, std::string_view account) {
  std::map<std::string, std::string> standard;
  std::map<std::string, std::string> own;
  for (const HttpHeader& header : request.headers) {
    const std::string name = lower(header.name);
    (name.starts_with("x-ms-") ? own : standard)[name] = header.value;
  }
  if (request.body_bytes > 0) standard["content-length"] = std::to_string(request.body_bytes);
  std::string text = request.method + "\n";
  for (const char* name :
       {"content-encoding", "content-language", "content-length", "content-md5", "content-type",
        "date", "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range"}) {
    text += standard[name] + "\n";
  }
  for (const auto& [name, value] : own) text += name + ":" + value + "\n";
  const std::string_view target = target_of_url(request.url);
  const size_t mark = target.find('?');
  text += "/" + std::string(account) + std::string(target.substr(0, mark));
  std::map<std::string, std::string> query;
  for (std::string_view rest = mark == target.npos ? "" : target.substr(mark + 1); !rest.empty();) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    const size_t equals = std::min(pair.find('='), pair.size());
    const std::string_view value = pair.substr(std::min(equals + 1, pair.size()));
    const auto decoded = percent_decode(value);
    query[lower(pair.substr(0, equals))] = decoded.ok() ? *decoded : std::string(value);
  }
  for (const auto& [name, value] : query) text += "\n" + name + ":" + value;
  return text;
}

}  // namespace litestream
