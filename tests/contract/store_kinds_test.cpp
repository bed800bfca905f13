// The stores that need nothing but this process and a directory; those that need a server stand in tests/cassandra.
#include <utility>

#include "store_contract.h"
#include "stores/embedded_store.h"
#include "stores/memory_store.h"

namespace finpipe::contract {
namespace {

class Memory final : public StoreUnderTest {
 public:
  Store& store() override { return store_; }
  Query& query() override { return store_; }

 private:
  MemoryStore store_;
};

class Embedded : public StoreUnderTest {
 public:
  explicit Embedded(std::filesystem::path directory) : directory_(std::move(directory)) { open(); }
  Store& store() override { return *store_; }
  Query& query() override { return *store_; }

 protected:
  void open() {
    store_.reset();
    auto opened = EmbeddedStore::open(directory_);
    if (opened)
      store_ = std::move(*opened);
    else
      ADD_FAILURE() << opened.error().message();
  }

 private:
  std::filesystem::path directory_;
  std::unique_ptr<EmbeddedStore> store_;
};

class EmbeddedReopened final : public Embedded {
 public:
  using Embedded::Embedded;
  void settle() override { open(); }
};

const StoreKind kStores[] = {
    {"Memory", [](const auto&) { return std::make_unique<Memory>(); }},
    {"Embedded", [](const auto& directory) { return std::make_unique<Embedded>(directory); }},
    {"EmbeddedReopened", [](const auto& directory) { return std::make_unique<EmbeddedReopened>(directory); }},
};

INSTANTIATE_TEST_SUITE_P(Stores, StoreContract, testing::ValuesIn(kStores),
                         [](const auto& kind) { return kind.param.name; });

}  // namespace
}  // namespace finpipe::contract
