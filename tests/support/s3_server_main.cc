// The strict S3 server as a program, for tests in other languages and for benchmarks.
//
//   s3_server [-tls CA_FILE] [-bucket NAME] [-region NAME] [-access-key K] [-secret-key S]
//
// Prints one line of JSON when it listens: {"url","localhost_url","bucket","region","access_key",
// "secret_key"}; with -tls the certificate to trust is in CA_FILE. Then each line on its standard
// input is a command and gets one line of JSON back; it ends with its input.
//
//   counts                  requests per kind since the last `forget`, and "connections" so far
//   forget                  counts begin anew
//   log                     one text per request
//   keys                    all keys of the bucket
//   dump DIR                writes every object to DIR/<key>
//   load DIR                the reverse
//   erase KEY
//   cut_gets BYTE_COUNT     every GET's connection ends after so many bytes of its body; 0: no more
//   cut_uploads BYTE_COUNT N  the next N requests with a longer body lose their connection there
//   cuts_left               how many of those N are still to come
//   fail OP STATUS CODE N   the next N requests of that kind
//   hang OP N               the next N requests of that kind are never answered
//   delay MS                before every answer
//   clear_faults            what `fail` and `hang` have not used up is forgotten
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <thread>

#include "tests/support/s3_server.h"

namespace litestream::test {
namespace {

std::string json_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + "\"";
}

std::string array_of(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) out += (out.empty() ? "" : ",") + json_text(text);
  return "[" + out + "]";
}

S3Op op_of(const std::string& name) {
  for (int i = 0; i < static_cast<int>(S3Op::kOther); ++i) {
    if (name == s3_op_name(static_cast<S3Op>(i))) return static_cast<S3Op>(i);
  }
  return S3Op::kOther;
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void write_file(const std::filesystem::path& path, const std::string& bytes) {
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

// Runs the commands; each method answers with JSON.
class Control {
 public:
  explicit Control(S3Server& server) : server_(server) {
    server_.set_fault([this](const S3Request& request) { return fault_of(request); });
  }

  std::string run(const std::string& line) {
    std::istringstream words(line);
    std::string command;
    words >> command;
    if (command == "counts") return counts();
    if (command == "log") return array_of(server_.log());
    if (command == "keys") return array_of(server_.keys());
    if (command == "forget") {
      server_.forget_requests();
    } else if (command == "dump" || command == "load") {
      std::string folder;
      words >> folder;
      command == "dump" ? dump(folder) : load(folder);
    } else if (command == "erase") {
      std::string key;
      words >> key;
      return server_.erase(key) ? "true" : "false";
    } else if (command == "cut_gets") {
      size_t count = 0;
      words >> count;
      cut_gets_ = count;
    } else if (command == "cut_uploads") {
      size_t byte_count = 0;
      int count = 0;
      words >> byte_count >> count;
      server_.wire().cut_uploads(byte_count, count);
    } else if (command == "cuts_left") {
      return std::to_string(server_.wire().upload_cuts_left());
    } else if (command == "delay") {
      int delay_ms = 0;
      words >> delay_ms;
      delay_ms_ = delay_ms;
    } else if (command == "clear_faults") {
      server_.clear_faults();
    } else if (command == "fail" || command == "hang") {
      fail(words, command == "hang");
    } else {
      return "{\"error\":\"unknown command\"}";
    }
    return "true";
  }

 private:
  std::optional<S3Fault> fault_of(const S3Request& request) {
    if (delay_ms_ > 0) std::this_thread::sleep_for(std::chrono::milliseconds(delay_ms_));
    if (request.op != S3Op::kGet || cut_gets_ == 0) return std::nullopt;
    S3Fault fault;
    fault.kind = S3Fault::Kind::kCutBody;
    fault.byte_count = cut_gets_;
    return fault;
  }
  std::string counts() const {
    std::string out;
    for (int i = 0; i <= static_cast<int>(S3Op::kOther); ++i) {
      const auto op = static_cast<S3Op>(i);
      out += json_text(s3_op_name(op)) + ":" + std::to_string(server_.count(op)) + ",";
    }
    return "{" + out + "\"connections\":" + std::to_string(server_.connection_count()) + "}";
  }
  void fail(std::istringstream& words, bool hangs) {
    std::string op;
    S3Fault fault;
    int count = 1;
    words >> op;
    if (hangs) {
      fault.kind = S3Fault::Kind::kHang;
    } else {
      words >> fault.status >> fault.code;
    }
    words >> count;
    server_.fail_next(op_of(op), fault, count);
  }
  void dump(const std::filesystem::path& folder) const {
    for (const std::string& key : server_.keys()) {
      const auto object = server_.object(key);
      if (object) write_file(folder / key, object->bytes());
    }
  }
  void load(const std::filesystem::path& folder) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
      if (!entry.is_regular_file()) continue;
      server_.put(std::filesystem::relative(entry.path(), folder).generic_string(),
                  read_file(entry.path()));
    }
  }

  S3Server& server_;
  std::atomic<size_t> cut_gets_{0};
  std::atomic<int> delay_ms_{0};
};

int serve(const std::map<std::string, std::string>& flags) {
  S3Options options;
  const auto take = [&](const char* name, std::string& target) {
    const auto found = flags.find(name);
    if (found != flags.end()) target = found->second;
  };
  std::string ca_file;
  take("-tls", ca_file);
  take("-bucket", options.bucket);
  take("-region", options.region);
  take("-access-key", options.credentials.access_key);
  take("-secret-key", options.credentials.secret_key);
  options.is_tls = !ca_file.empty();
  S3Server server(options);
  if (options.is_tls) write_file(ca_file, server.identity().ca_pem);
  Control control(server);
  std::cout << "{\"url\":" << json_text(server.url())
            << ",\"localhost_url\":" << json_text(server.localhost_url())
            << ",\"bucket\":" << json_text(options.bucket)
            << ",\"region\":" << json_text(options.region)
            << ",\"access_key\":" << json_text(options.credentials.access_key)
            << ",\"secret_key\":" << json_text(options.credentials.secret_key) << "}" << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << control.run(line) << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace litestream::test

int main(int argc, char** argv) {
  std::map<std::string, std::string> flags;
  for (int i = 1; i + 1 < argc; i += 2) flags[argv[i]] = argv[i + 1];
  if (argc % 2 == 0) {
    std::cerr << "usage: s3_server [-tls CA_FILE] [-bucket NAME] [-region NAME] [-access-key K] "
                 "[-secret-key S]\n";
    return 2;
  }
  return litestream::test::serve(flags);
}
