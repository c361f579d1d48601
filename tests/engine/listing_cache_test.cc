#include "ext/engine/listing_cache.h"

#include <catch2/catch.hpp>
#include <thread>

#include "ext/engine/listed_store.h"
#include "tests/engine/levels_support.h"

namespace litestream::test {
namespace {

LtxFileInfo info(int level, uint64_t min, uint64_t max, int64_t created_at_ms = 1000) {
  return {level, Txid{min}, Txid{max}, 3, created_at_ms};
}

struct Fixture {
  TestClock clock;
  MemoryStore origin;
  ListedStore store{origin, clock};
  uint64_t lists() const { return origin.call_count(StoreCall::kList); }
};

TEST_CASE("listing cache: each level is listed once and then known from our own writes") {
  Fixture f;
  f.origin.put(info(0, 2, 2), "abc");
  f.origin.put(info(0, 1, 1), "abc");
  f.origin.put(info(9, 1, 1), "abc");
  REQUIRE_FALSE(f.store.cache().is_complete());
  REQUIRE(f.store.cache().known(0).empty());
  REQUIRE(names_of(*list_all_levels(f.store)) == "9:1-1 0:1-1 0:2-2");
  REQUIRE(f.lists() == 10);
  REQUIRE(f.store.cache().is_complete());
  REQUIRE(put_file(f.store, info(0, 3, 4), "hello").ok());
  REQUIRE(put_file(f.store, info(1, 2, 4), "hello!").ok());
  const LtxFileInfo gone = info(0, 2, 2);
  REQUIRE(f.store.remove(std::span(&gone, 1), nullptr)->empty());
  REQUIRE(names_of(*list_all_levels(f.store)) == "9:1-1 0:1-1 0:3-4 1:2-4");
  REQUIRE(f.store.cache().known(1)[0].size_bytes == 6);
  REQUIRE(f.store.cache().newest() == Txid{4});
  REQUIRE(f.store.cache().newest(9) == Txid{1});
  REQUIRE(f.store.cache().count(0) == 2);
  REQUIRE(f.lists() == 10);  // nothing more was asked for
  REQUIRE(f.store.cache().list_count() == 10);
}

TEST_CASE("listing cache: removing a level's newest file moves its newest TXID back") {
  Fixture f;
  REQUIRE(f.store.list(1).ok());
  REQUIRE(put_file(f.store, info(1, 2, 4), "a").ok());
  REQUIRE(put_file(f.store, info(1, 5, 9), "a").ok());
  const LtxFileInfo last = info(1, 5, 9);
  REQUIRE(f.store.remove(std::span(&last, 1), nullptr)->empty());
  REQUIRE(f.store.cache().newest(1) == Txid{4});
}

TEST_CASE("listing cache: a lost reply, a taken name and a failed removal put a level in doubt") {
  Fixture f;
  REQUIRE(list_all_levels(f.store).ok());
  f.origin.lose_next_commit_reply();
  REQUIRE_FALSE(put_file(f.store, info(0, 2, 2), "abc").ok());
  REQUIRE(f.store.cache().known(0).empty());
  REQUIRE_FALSE(f.store.cache().is_complete());
  REQUIRE(names_of(*f.store.list(0)) == "0:2-2");
  REQUIRE(f.lists() == 11);  // that level and no other
  f.origin.put(info(1, 2, 5), "other");
  REQUIRE(put_file(f.store, info(1, 2, 5), "mine").code() == StatusCode::kAlreadyExists);
  REQUIRE(names_of(*f.store.list(1)) == "1:2-5");
  const LtxFileInfo file = info(1, 2, 5);
  f.origin.set_hook([](StoreCall call, const LtxFileInfo*) {
    return call == StoreCall::kRemove ? unavailable("no reply") : Status();
  });
  REQUIRE(f.store.remove(std::span(&file, 1), nullptr)->size() == 1);
  REQUIRE_FALSE(f.store.cache().is_complete());
  // A store that plainly refuses leaves no doubt.
  REQUIRE(list_all_levels(f.store).ok());
  f.origin.set_hook([](StoreCall call, const LtxFileInfo*) {
    return call == StoreCall::kRemove ? io_error("denied") : Status();
  });
  REQUIRE(f.store.remove(std::span(&file, 1), nullptr)->size() == 1);
  REQUIRE(f.store.cache().is_complete());
}

TEST_CASE("listing cache: a listed file that is not there puts its level in doubt") {
  Fixture f;
  f.origin.put(info(2, 2, 9), "abc");
  REQUIRE(list_all_levels(f.store).ok());
  f.origin.erase(info(2, 2, 9));
  const auto reader = f.store.open(info(2, 2, 9));
  REQUIRE(reader.ok());
  uint8_t byte = 0;
  REQUIRE((*reader)->read_at(0, MutableBytes(&byte, 1)).status().code() == StatusCode::kNotFound);
  REQUIRE(f.store.list(2)->empty());
}

TEST_CASE("listing cache: F4 a late listing does not take back what was acknowledged") {
  Fixture f;
  REQUIRE(list_all_levels(f.store).ok());
  f.origin.set_listing_lag(2);
  REQUIRE(put_file(f.store, info(0, 2, 2), "abc").ok());
  f.store.cache().note_doubt(0);
  REQUIRE(names_of(*f.store.list(0)) == "0:2-2");  // the listing did not show it
  // After a while the listing is right.
  f.origin.set_listing_lag(1000);
  REQUIRE(put_file(f.store, info(0, 3, 3), "abc").ok());
  f.clock.advance(kListingLagMs + 1);
  f.store.cache().note_doubt(0);
  f.origin.erase(info(0, 2, 2));  // a lifecycle rule
  REQUIRE(f.store.list(0)->empty());
}

TEST_CASE("listing cache: a removed file that a late listing still shows stays removed") {
  Fixture f;
  f.origin.put(info(0, 2, 2), "abc");
  REQUIRE(list_all_levels(f.store).ok());
  const LtxFileInfo file = info(0, 2, 2);
  REQUIRE(f.store.remove(std::span(&file, 1), nullptr)->empty());
  f.origin.put(file, "abc");
  f.store.cache().note_doubt(0);
  REQUIRE(f.store.list(0)->empty());
  f.clock.advance(kListingLagMs + 1);
  f.store.cache().note_doubt(0);
  REQUIRE(f.store.list(0)->size() == 1);
}

TEST_CASE("listing cache: G8 header times known from writing survive a listing's own times") {
  Fixture f;
  REQUIRE(list_all_levels(f.store).ok());
  REQUIRE(put_file(f.store, info(0, 2, 2, 5000), "abc").ok());
  f.clock.advance(kListingLagMs + 1);
  f.origin.put(info(0, 2, 2, 5000 + 600'000), "abc");  // LastModified, ten minutes off
  REQUIRE(f.store.cache().refresh(f.origin).ok());
  REQUIRE(f.store.cache().known(0)[0].created_at_ms == 5000);
}

TEST_CASE("listing cache: a failed listing is an error and loses nothing") {
  Fixture f;
  f.origin.put(info(0, 2, 2), "abc");
  REQUIRE(list_all_levels(f.store).ok());
  f.store.cache().note_doubt(0);
  f.origin.fail_call(1, unavailable("page 2 of the listing"));
  REQUIRE(f.store.list(0).status().code() == StatusCode::kUnavailable);
  REQUIRE(f.store.cache().known(0).size() == 1);
  REQUIRE(f.store.list(0)->size() == 1);
}

TEST_CASE(
    "listing cache: after forget() everything is listed again, and nothing of ours believed") {
  Fixture f;
  REQUIRE(list_all_levels(f.store).ok());
  REQUIRE(put_file(f.store, info(0, 2, 2), "abc").ok());
  f.origin.erase(info(0, 2, 2));
  f.store.cache().forget();
  REQUIRE(list_all_levels(f.store)->empty());
  REQUIRE(f.lists() == 20);
}

TEST_CASE("listing cache: tables read while the writer writes") {
  Fixture f;
  REQUIRE(list_all_levels(f.store).ok());
  std::thread reader([&] {
    for (int i = 0; i < 500; ++i) {
      const auto files = f.store.cache().all_known();
      (void)f.store.cache().newest();
      if (i % 50 == 0) f.store.cache().note_doubt(0);
      if (i % 70 == 0) (void)list_all_levels(f.store).ok();
      if (files.size() > 500) break;
    }
  });
  for (uint64_t txid = 2; txid < 400; ++txid) {
    if (!put_file(f.store, info(0, txid, txid), "abc").ok()) break;
  }
  reader.join();
  REQUIRE(f.store.list(0)->size() == 398);
}

}  // namespace
}  // namespace litestream::test
