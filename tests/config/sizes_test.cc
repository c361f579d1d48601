#include "ext/config/sizes.h"

#include <catch2/catch.hpp>

using namespace litestream;

TEST_CASE("sizes: units of both kinds, in any case") {
  const auto bytes = [](const char* text) {
    const auto size = parse_size_bytes(text);
    INFO(text);
    REQUIRE(size.ok());
    return *size;
  };
  REQUIRE(bytes("0") == 0);
  REQUIRE(bytes("4096") == 4096);
  REQUIRE(bytes("5MB") == 5'000'000);
  REQUIRE(bytes("5 MB") == 5'000'000);
  REQUIRE(bytes("5MiB") == 5 << 20);
  REQUIRE(bytes("5mib") == 5 << 20);
  REQUIRE(bytes("5m") == 5'000'000);
  REQUIRE(bytes("1.5GiB") == (int64_t{3} << 29));
  REQUIRE(bytes("2k") == 2000);
  REQUIRE(bytes("2KiB") == 2048);
  REQUIRE(bytes("7B") == 7);
  REQUIRE(bytes("1TiB") == int64_t{1} << 40);
  REQUIRE(bytes("9223372036854775807") == INT64_MAX);
}

TEST_CASE("sizes: anything else is refused") {
  for (const char* text : {"", "x", "MB", "-5", "5XB", "5 M B", "1.5.5", "1.", ".5", "0x10",
                           "9223372036854775808", "9000000TiB", "123456789012345678901"}) {
    INFO(text);
    REQUIRE(parse_size_bytes(text).status().code() == StatusCode::kInvalidArgument);
  }
  REQUIRE(parse_size_bytes("lots").status().message() ==
          "'lots' is not a size; write bytes, or for example 64MiB");
}

TEST_CASE("sizes: written so that they read the same") {
  REQUIRE(format_size_bytes(int64_t{16} << 20) == "16MiB");
  REQUIRE(format_size_bytes(5'000'000) == "5MB");
  REQUIRE(format_size_bytes(4097) == "4097");
  REQUIRE(format_size_bytes(0) == "0");
  for (const int64_t bytes : {int64_t{1}, int64_t{1000}, int64_t{1024}, int64_t{123456789},
                              int64_t{1} << 40, INT64_MAX}) {
    REQUIRE(*parse_size_bytes(format_size_bytes(bytes)) == bytes);
  }
}
