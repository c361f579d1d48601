// TXIDs and file names as text.
#include "ext/ltx/types.h"

#include <catch2/catch.hpp>
#include <limits>

#include "ext/ltx/file_name.h"

namespace litestream {
namespace {

TEST_CASE("txid: text has 16 lower-case hex digits") {
  CHECK(format_txid(Txid{1}) == "0000000000000001");
  CHECK(format_txid(Txid{0x98765}) == "0000000000098765");
  CHECK(format_txid(Txid{std::numeric_limits<uint64_t>::max()}) == "ffffffffffffffff");
  CHECK(parse_txid("0000000000000001").value() == Txid{1});
  CHECK(parse_txid("00000000000000aF").value() == Txid{0xAF});
  CHECK(parse_txid("FFFFFFFFFFFFFFFF").value() == Txid{std::numeric_limits<uint64_t>::max()});
}

TEST_CASE("txid: anything else is refused with a sentence that helps") {
  const char* bad[] = {"",
                       "98765",
                       "0000000000000000",
                       "000000000000001",
                       "00000000000000001",
                       "000000000000000g",
                       "0x00000000000001",
                       " 000000000000001",
                       "-000000000000001"};
  for (const char* text : bad) {
    INFO(text);
    const Result<Txid> txid = parse_txid(text);
    REQUIRE_FALSE(txid.ok());
    CHECK(txid.status().code() == StatusCode::kInvalidArgument);
    CHECK(txid.status().message().find("TXIDs are hexadecimal, 16 digits") != std::string::npos);
  }
  const Status shown = parse_txid("98765").status();
  CHECK(shown.message().find("\"98765\"") != std::string::npos);
  CHECK(parse_txid(std::string(100'000, '1')).status().message().size() < 200);
}

TEST_CASE("file name: one range has exactly one name") {
  const TxidRange range{Txid{3}, Txid{0xABC}};
  const std::string name = "0000000000000003-0000000000000abc.ltx";
  CHECK(format_ltx_file_name(range) == name);
  CHECK(parse_ltx_file_name(name).value() == range);
  const char* bad[] = {"",
                       ".ltx",
                       "0000000000000003-0000000000000ABC.ltx",
                       "0000000000000003-0000000000000abc.LTX",
                       "0000000000000003-0000000000000abc.ltx.tmp",
                       "0000000000000003_0000000000000abc.ltx",
                       "0000000000000003-0000000000000002.ltx",
                       "0000000000000000-0000000000000002.ltx",
                       "0000000000000003-0000000000000abc",
                       "/000000000000003-0000000000000abc.ltx"};
  for (const char* text : bad) {
    INFO(text);
    CHECK(parse_ltx_file_name(text).status().code() == StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace litestream
