// A process that has no TLS library of its own and talks HTTPS in its exit handlers, as a host does
// that ends while commits are on their way: exit_child <url> <ca file>. Prints one line per
// request.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "ext/store/http_client.h"

namespace {

std::unique_ptr<litestream::HttpClient> client;
const char* url = nullptr;
const char* ca_file = nullptr;

void open_client() {
  litestream::HttpClientOptions options;
  options.ca_file = ca_file;
  client = std::make_unique<litestream::HttpClient>(options);
}

void request(const char* when) {
  litestream::HttpRequest request;
  request.url = url;
  const auto response = client->perform(request);
  const std::string said = response.ok() ? response->body : response.status().message();
  std::printf("%s: %s\n", when, said.c_str());
  std::fflush(stdout);
}

void at_exit() {
  request("kept connection");
  open_client();
  request("new connection");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  url = argv[1];
  ca_file = argv[2];
  // Before libcurl and its TLS library are loaded, as an extension's is.
  if (std::atexit(at_exit) != 0) return 2;
  open_client();
  request("before");
  return 0;
}
