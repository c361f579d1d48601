#include "ext/engine/frame_pool.h"

#include <catch2/catch.hpp>
#include <map>
#include <thread>

#include "tests/engine/restore_support.h"

namespace litestream {
namespace {

using test::ByteVector;
using Frames = std::map<Pgno, ByteVector>;

// Reads everything back in pieces of `step` pages.
Frames read_all(const FramePool& pool, Pgno last, Pgno step) {
  Frames frames;
  FramePool::Reader reader;
  for (Pgno first = 1; first <= last; first += step) {
    const Status status =
        pool.read(first, first + step - 1, &reader, [&](Pgno pgno, Bytes frame) -> Status {
          REQUIRE(pgno >= first);
          REQUIRE(pgno < first + step);
          REQUIRE(frames.emplace(pgno, ByteVector(frame.begin(), frame.end())).second);
          return {};
        });
    REQUIRE(status.ok());
  }
  return frames;
}

TEST_CASE("frame pool: what goes in comes out, in memory and beyond it") {
  auto prng = test::Prng::announced("frame_pool", 11);
  for (const size_t page_count : {0u, 1u, 100u, 3000u}) {
    const test::TempDir dir;
    FramePool pool(test::files(), dir.file("db"), 4 << 20, 2);
    Frames expected;
    std::vector<Pgno> order;
    for (Pgno pgno = 1; pgno <= page_count; ++pgno) order.push_back(pgno);
    for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[prng.below(i)]);
    for (const Pgno pgno : order) {
      const std::string bytes = prng.bytes(prng.between(11, 6000));
      expected[pgno] = ByteVector(bytes.begin(), bytes.end());
    }
    const auto write = [&](size_t first) {
      FramePool::Writer writer(pool);
      for (size_t i = first; i < order.size(); i += 2) {
        if (!writer.add(order[i], expected.at(order[i])).ok()) std::terminate();
      }
      pool.absorb(&writer);
    };
    std::thread other(write, 1);
    write(0);
    other.join();
    pool.seal();
    // Whatever does not fit has no name.
    CHECK(test::is_empty(dir));
    for (const Pgno step : {1u, 7u, 256u, 5000u}) {
      CHECK(read_all(pool, static_cast<Pgno>(page_count) + 1, step) == expected);
    }
  }
}

TEST_CASE("frame pool: no room for the temporary file is an error that says so") {
  for (uint64_t n = 1;; ++n) {
    const test::TempDir dir;
    test::FaultFileSystem fs(posix_file_system());
    FramePool pool(fs, dir.file("db"), 1 << 20, 1);
    fs.fail_call(n, test::FaultFileSystem::After::kRecovers);
    FramePool::Writer writer(pool);
    const ByteVector frame(5000, 7);
    Status status;
    for (Pgno pgno = 1; pgno <= 1000 && status.ok(); ++pgno) status = writer.add(pgno, frame);
    if (!fs.fired()) {
      CHECK(n > 4);
      break;
    }
    CHECK(status.message().find("injected") != std::string::npos);
  }
}

}  // namespace
}  // namespace litestream
