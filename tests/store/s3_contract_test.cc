// S3Store against the contract of every store, on the strict server.
#include <catch2/catch.hpp>

#include "tests/support/s3_fixture.h"
#include "tests/support/store_contract.h"

namespace litestream {
namespace {

void run_contract(const test::S3Options& options, const test::S3Opening& opening) {
  test::S3Server server(options);
  test::run_store_contract([&] {
    test::StoreBackend backend;
    backend.open = [&] { return test::open_s3(server, opening); };
    backend.has_lease = true;
    return backend;
  });
  for (const std::string& line : server.log()) {
    INFO(line);
    CHECK(line.find(" -> 400") == std::string::npos);
    CHECK(line.find(" -> 403") == std::string::npos);
    CHECK(line.find(" -> 501") == std::string::npos);
  }
}

TEST_CASE("store contract: s3, path style") { run_contract({}, {}); }

TEST_CASE("store contract: s3, virtual-host style, a prefix to encode") {
  test::S3Opening opening;
  opening.is_virtual_host = true;
  opening.prefix = "a%20b/%C3%BC+(x)";
  run_contract({}, opening);
}

TEST_CASE("store contract: s3 that needs signed payloads and pages of 7") {
  test::S3Options options;
  options.habits.needs_signed_payload = true;
  options.habits.list_page_max = 7;
  test::S3Opening opening;
  opening.prefix = "";
  run_contract(options, opening);
}

TEST_CASE("store contract: s3 that removes one by one and lists unsorted") {
  test::S3Options options;
  options.habits.lacks_delete_many = true;
  options.habits.lists_unsorted = true;
  test::S3Server server(options);
  test::run_store_contract([&] {
    test::StoreBackend backend;
    backend.open = [&] { return test::open_s3(server); };
    backend.has_lease = true;
    backend.many_files_count = 1200;
    return backend;
  });
}

}  // namespace
}  // namespace litestream
