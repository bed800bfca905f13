// The store contract (tests/contract) on a server: with one store object, and with a new one after each write.
#include "cassandra_server.h"
#include "store_contract.h"

namespace finpipe::contract {
namespace {

class Cassandra : public StoreUnderTest {
 public:
  Cassandra() {
    cassandra_test::empty_tables();
    store_ = cassandra_test::open_store();
  }
  Store& store() override { return *store_; }
  Query& query() override { return *store_; }

 protected:
  std::unique_ptr<CassandraStore> store_;
};

class CassandraReopened final : public Cassandra {
 public:
  void settle() override { store_ = cassandra_test::open_store(); }
};

INSTANTIATE_TEST_SUITE_P(
    Stores, StoreContract,
    testing::Values(StoreKind{"Cassandra", [](const auto&) { return std::make_unique<Cassandra>(); }},
                    StoreKind{"CassandraReopened", [](const auto&) { return std::make_unique<CassandraReopened>(); }}),
    [](const auto& kind) { return kind.param.name; });

}  // namespace
}  // namespace finpipe::contract
