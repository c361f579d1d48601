// What every store must do, as one suite. A backend's test calls run_store_contract() with a way to
// open the same empty place again and again; each section of the suite starts with an empty one.
#pragma once

#include <functional>
#include <memory>

#include "ext/store/ltx_store.h"

namespace litestream::test {

struct StoreBackend {
  // A store over this backend's place. Called several times; all stores see the same files.
  std::function<std::unique_ptr<LtxStore>()> open;
  bool has_lease = false;
  size_t many_files_count = 2500;  // more than two pages of a bucket listing
};

// To be called inside a TEST_CASE; `make_backend` is called once per section for an empty place.
void run_store_contract(const std::function<StoreBackend()>& make_backend);

// Writes one file through the store: create, append in two pieces, commit.
Status put_file(LtxStore& store, const LtxFileInfo& file, std::string_view bytes);
// The whole content through open(), with reads of at most `chunk_bytes`.
Result<std::string> get_file(LtxStore& store, const LtxFileInfo& file, size_t chunk_bytes = 1000);

}  // namespace litestream::test
