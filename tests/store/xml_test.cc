// The XML of object stores: what is read, and what is refused.
#include "ext/store/xml.h"

#include <catch2/catch.hpp>

#include "ext/store/s3_xml.h"
#include "tests/support/prng.h"

namespace litestream {
namespace {

const std::string kListPage =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name>"
    "<Prefix>p/</Prefix><KeyCount>2</KeyCount><MaxKeys>1000</MaxKeys>"
    "<IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;b=</NextContinuationToken>"
    "<Contents><Key>p/x&#x20;y</Key><LastModified>2026-01-03T04:05:06.789Z</LastModified>"
    "<ETag>&quot;abc&quot;</ETag><Size>18446744073709551615</Size>"
    "<Owner><ID>1</ID><DisplayName>n</DisplayName></Owner></Contents>"
    "<Contents><Key><![CDATA[p/<&>]]></Key><LastModified>2026-01-03T04:05:07Z</LastModified>"
    "<Size>0</Size></Contents><CommonPrefixes><Prefix>p/q/</Prefix></CommonPrefixes>"
    "</ListBucketResult>";

TEST_CASE("xml: elements, text, references") {
  const auto root = parse_xml(
      "\xEF\xBB\xBF<?xml version='1.0'?><!-- c --><s:a x='1' s:y = "
      "\"<>\">t&lt;&gt;&amp;&quot;&apos;"
      "<b/><b>one<!-- - --></b>&#233;&#x1F600;<?pi ?><c></c >u</s:a>\n<!-- end -->");
  REQUIRE(root.ok());
  CHECK(root->name == "a");
  CHECK(root->text == "t<>&\"'\xC3\xA9\xF0\x9F\x98\x80u");
  REQUIRE(root->children.size() == 3);
  CHECK(root->child("b") == &root->children[0]);
  CHECK(root->children[1].text == "one");
  CHECK(root->child_text("c").empty());
  CHECK(root->child("d") == nullptr);
}

TEST_CASE("xml: what is not well-formed, or more than asked for, is refused") {
  for (const char* text : {"",
                           " ",
                           "text",
                           "<",
                           "<a",
                           "<a>",
                           "<a></b>",
                           "<a><b></a></b>",
                           "<a/><b/>",
                           "<a/>x",
                           "<!DOCTYPE a><a/>",
                           "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>",
                           "<a>&x;</a>",
                           "<a>&amp</a>",
                           "<a>&#0;</a>",
                           "<a>&#xD800;</a>",
                           "<a>&#x110000;</a>",
                           "<a>&#;</a>",
                           "<a>&#x;</a>",
                           "<a>&#12x;</a>",
                           "<a x></a>",
                           "<a x=1></a>",
                           "<a x='1></a>",
                           "<a x='1'y='2'",
                           "<a><![CDATA[x</a>",
                           "<a><!-- </a>",
                           "<a></a",
                           "< a></a>",
                           "<a><</a>",
                           "<a b='1' / >"}) {
    CAPTURE(text);
    CHECK(parse_xml(text).status().code() == StatusCode::kCorrupt);
  }
  std::string deep;
  for (size_t i = 0; i <= kXmlDepthMax; ++i) deep += "<a>";
  CHECK(parse_xml(deep).status().message().find("nested") != std::string::npos);
  std::string many = "<a>";
  for (size_t i = 0; i <= kXmlElementsMax; ++i) many += "<b/>";
  CHECK(parse_xml(many).status().message().find("too many") != std::string::npos);
}

TEST_CASE("xml: a list page, typed") {
  const auto page = parse_list_page(kListPage);
  REQUIRE(page.ok());
  CHECK(page->is_truncated);
  CHECK(page->next_token == "a&b=");
  REQUIRE(page->objects.size() == 2);
  CHECK(page->objects[0].key == "p/x y");
  CHECK(page->objects[0].size_bytes == UINT64_MAX);
  CHECK(page->objects[0].modified_ms == 1767413106789);
  CHECK(page->objects[1].key == "p/<&>");
  CHECK(page->prefixes == std::vector<std::string>{"p/q/"});
}

TEST_CASE("xml: keys that the page says are encoded are decoded") {
  const auto page = parse_list_page(
      "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated><Contents>"
      "<Key>a%20b%2Fc</Key><LastModified>2026-01-03T04:05:07Z</LastModified><Size>1</Size>"
      "</Contents></ListBucketResult>");
  REQUIRE(page.ok());
  CHECK(page->objects[0].key == "a b/c");
}

TEST_CASE("xml: a list page cut anywhere is an error, never a short list") {
  for (size_t length = 0; length < kListPage.size(); ++length) {
    CAPTURE(length);
    REQUIRE(parse_list_page(kListPage.substr(0, length)).status().code() == StatusCode::kCorrupt);
  }
}

TEST_CASE("xml: list pages that make no sense are refused") {
  const std::string good =
      "<Contents><Key>k</Key><LastModified>2026-01-03T04:05:07Z</LastModified>"
      "<Size>1</Size></Contents>";
  const auto check = [](const std::string& inner) {
    CAPTURE(inner);
    const auto page = parse_list_page("<ListBucketResult>" + inner + "</ListBucketResult>");
    CHECK(page.status().code() == StatusCode::kCorrupt);
  };
  const std::string complete = "<IsTruncated>false</IsTruncated>";
  REQUIRE(parse_list_page("<ListBucketResult>" + good + complete + "</ListBucketResult>").ok());
  check(good);
  check(good + "<IsTruncated>maybe</IsTruncated>");
  for (const char* object :
       {"<Key></Key><LastModified>2026-01-03T04:05:07Z</LastModified><Size>1</Size>",
        "<LastModified>2026-01-03T04:05:07Z</LastModified><Size>1</Size>",
        "<Key>k</Key><LastModified>yesterday</LastModified><Size>1</Size>",
        "<Key>k</Key><Size>1</Size>",
        "<Key>k</Key><LastModified>2026-01-03T04:05:07Z</LastModified>",
        "<Key>k</Key><LastModified>2026-01-03T04:05:07Z</LastModified><Size>-1</Size>",
        "<Key>k</Key><LastModified>2026-01-03T04:05:07Z</LastModified><Size>1x</Size>",
        "<Key>k</Key><LastModified>2026-01-03T04:05:07Z</LastModified>"
        "<Size>18446744073709551616</Size>"}) {
    check(complete + "<Contents>" + object + "</Contents>");
  }
  const auto error = parse_list_page("<Error><Code>NoSuchBucket</Code></Error>");
  CHECK(error.status().code() == StatusCode::kCorrupt);
  CHECK(error.status().message().find("<Error>") != std::string::npos);
}

TEST_CASE("xml: errors, wherever they are wrapped, are printable") {
  const auto error = parse_s3_error(
      "<Error><Code>NoSuchKey</Code><Message>line\nline\x7F \xC3\xA9</Message></Error>");
  REQUIRE(error.has_value());
  CHECK(error->code == "NoSuchKey");
  CHECK(error->message == "line line    ");
  const auto wrapped =
      parse_s3_error("<ErrorResponse><Error><Code>ExpiredToken</Code></Error></ErrorResponse>");
  REQUIRE(wrapped.has_value());
  CHECK(wrapped->code == "ExpiredToken");
  const auto elsewhere = parse_s3_error("<Error><Code>X</Code><Region>eu-west-1</Region></Error>");
  CHECK(elsewhere->region == "eu-west-1");
  const auto long_text =
      parse_s3_error("<Error><Message>" + std::string(5000, 'x') + "</Message></Error>");
  CHECK(long_text->message.size() == 256);
  for (const char* none : {"", "<html/>", "not found", "<ErrorResponse/>", "<Error>"}) {
    CHECK_FALSE(parse_s3_error(none).has_value());
  }
}

TEST_CASE("xml: the other documents") {
  const auto result = parse_delete_result(
      "<DeleteResult><Deleted><Key>a</Key></Deleted><Error><Key>b</Key><Code>AccessDenied</Code>"
      "<Message>no</Message></Error><Deleted><Key>c&amp;</Key></Deleted></DeleteResult>");
  REQUIRE(result.ok());
  CHECK(result->deleted == std::set<std::string>{"a", "c&"});
  REQUIRE(result->failures.size() == 1);
  CHECK(result->failures[0].key == "b");
  CHECK(result->failures[0].error.code == "AccessDenied");
  CHECK_FALSE(parse_delete_result("<Error><Code>x</Code></Error>").ok());
  CHECK(*parse_upload_id("<InitiateMultipartUploadResult><UploadId>u+/=</UploadId>"
                         "</InitiateMultipartUploadResult>") == "u+/=");
  CHECK_FALSE(parse_upload_id("<InitiateMultipartUploadResult/>").ok());
  const auto uploads = parse_uploads(
      "<ListMultipartUploadsResult><Upload><Key>k</Key><UploadId>u</UploadId>"
      "<Initiated>2026-01-03T04:05:06.789Z</Initiated></Upload></ListMultipartUploadsResult>");
  REQUIRE(uploads.ok());
  REQUIRE(uploads->size() == 1);
  CHECK(uploads->at(0).initiated_ms == 1767413106789);
}

TEST_CASE("xml: what we write is what we would read") {
  const std::vector<std::string> keys = {"a<b>&\"c'", "\x01\n\t", "\xC3\xA9"};
  const auto root = parse_xml(format_delete(keys));
  REQUIRE(root.ok());
  REQUIRE(root->children.size() == 3);
  for (size_t i = 0; i < keys.size(); ++i) {
    CHECK(root->children[i].child_text("Key") == keys[i]);
  }
  const auto complete = parse_xml(format_complete({"\"e1\"", "\"e2\""}));
  REQUIRE(complete.ok());
  CHECK(complete->children[1].child_text("PartNumber") == "2");
  CHECK(complete->children[1].child_text("ETag") == "\"e2\"");
}

TEST_CASE("xml: damaged documents never crash") {
  auto prng = test::Prng::announced("xml", 1);
  for (int i = 0; i < 20'000; ++i) {
    std::string text = kListPage;
    for (uint64_t n = prng.below(6); n-- > 0;) {
      text[prng.below(text.size())] = static_cast<char>(prng.below(256));
    }
    if (prng.below(4) == 0) text.resize(prng.below(text.size()));
    const auto page = parse_list_page(text);
    if (page.ok()) CHECK(page->objects.size() <= 2);
  }
}

}  // namespace
}  // namespace litestream
