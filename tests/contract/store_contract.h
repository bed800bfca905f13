// What every store promises, as tests that run on each of them: TEST_P(StoreContract, ...). A new store joins by an
// instantiation (store_kinds_test.cpp, tests/cassandra). `settle` stands between writing and reading; a store that
// lives on disk is closed and opened again there, so each promise is also held across a restart.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/ports.h"

namespace finpipe::contract {

constexpr std::int64_t kLowest = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kHighest = std::numeric_limits<std::int64_t>::max();

class StoreUnderTest {
 public:
  virtual ~StoreUnderTest() = default;
  virtual Store& store() = 0;
  virtual Query& query() = 0;
  virtual void settle() {}
};

struct StoreKind {
  std::string name;
  std::function<std::unique_ptr<StoreUnderTest>(const std::filesystem::path& directory)> make;
};

constexpr LogId log_id_of(unsigned char first) {
  LogId id{};
  for (std::size_t i = 0; i < id.size(); ++i) id[i] = static_cast<std::byte>(first + i);
  return id;
}

// A tick that owns its text, to compare with.
struct OwnedTick {
  std::string symbol, codes;
  Trade trade;  // its text is that of the two above
  std::int64_t offset = 0;
  LogId log_id{};

  bool operator==(const OwnedTick& other) const;
};
void PrintTo(const OwnedTick& tick, std::ostream* out);

OwnedTick make_tick(std::string symbol, std::int64_t event_time_ms, std::int64_t seq, std::int64_t price_e9 = 1);
BarRow make_bar(std::string symbol, Interval interval, std::int64_t start_ms, std::int64_t version,
                std::int64_t generation = 0);

class StoreContract : public testing::TestWithParam<StoreKind> {
 protected:
  StoreContract();
  ~StoreContract() override;

  Store& store() { return under_test_->store(); }
  Query& query() { return under_test_->query(); }
  // Submits and polls until it is done, then settles.
  void write(Commit commit);
  void write_ticks(const std::vector<OwnedTick>& ticks, std::int64_t generation = 0);
  void write_bars(BlockList<BarRow> bars);

  std::vector<OwnedTick> ticks(const TickRange& range, Order order);
  std::vector<BarRow> bars(const BarRange& range, Order order);
  // In ascending order; the descending one is read too and must be its reverse.
  std::vector<OwnedTick> ticks(const TickRange& range);
  std::vector<BarRow> bars(const BarRange& range);
  std::vector<RevisionRow> revisions(const BarRange& range);
  std::vector<BarRow> load(const BarRange& range);

 private:
  std::filesystem::path directory_;
  std::unique_ptr<StoreUnderTest> under_test_;
};

}  // namespace finpipe::contract
