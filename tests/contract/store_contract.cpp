#include "store_contract.h"

#include <stdlib.h>

#include <algorithm>
#include <ostream>

namespace finpipe::contract {

bool OwnedTick::operator==(const OwnedTick& other) const {
  const Trade& a = trade;
  const Trade& b = other.trade;
  return symbol == other.symbol && codes == other.codes && a.event_time_ms == b.event_time_ms && a.seq == b.seq &&
         a.price_e9 == b.price_e9 && a.volume_e8 == b.volume_e8 && a.conditions.form == b.conditions.form &&
         a.received_at_ns == b.received_at_ns && a.session == b.session && a.writer == b.writer &&
         a.suspect == b.suspect && offset == other.offset && log_id == other.log_id;
}

void PrintTo(const OwnedTick& tick, std::ostream* out) {
  *out << tick.symbol << ' ' << tick.trade.event_time_ms << " seq " << tick.trade.seq << " price "
       << tick.trade.price_e9 << " codes [" << tick.codes << ']';
}

OwnedTick make_tick(std::string symbol, std::int64_t event_time_ms, std::int64_t seq, std::int64_t price_e9) {
  OwnedTick tick;
  tick.symbol = std::move(symbol);
  tick.trade.event_time_ms = event_time_ms;
  tick.trade.seq = seq;
  tick.trade.price_e9 = price_e9;
  tick.trade.volume_e8 = 2;
  tick.trade.received_at_ns = seq;
  tick.log_id = log_id_of(1);
  return tick;
}

BarRow make_bar(std::string symbol, Interval interval, std::int64_t start_ms, std::int64_t version,
                std::int64_t generation) {
  BarRow row{{std::move(symbol), interval, start_ms}, {}};
  row.bar.version = version;
  row.bar.generation = generation;
  row.bar.trades = version;
  return row;
}

StoreContract::StoreContract() {
  std::string name = (std::filesystem::temp_directory_path() / "finpipe-store-contract-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) ADD_FAILURE() << "no temporary directory " << name;
  directory_ = name;
  under_test_ = GetParam().make(directory_ / "store");
}

StoreContract::~StoreContract() {
  under_test_.reset();
  std::filesystem::remove_all(directory_);
}

void StoreContract::write(Commit commit) {
  const Store::Ticket ticket = store().submit(std::move(commit));
  for (;;) {
    const auto done = store().poll();
    ASSERT_TRUE(done) << done.error().message();
    if (*done >= ticket) break;
  }
  under_test_->settle();
}

void StoreContract::write_ticks(const std::vector<OwnedTick>& ticks, std::int64_t generation) {
  Commit commit;
  commit.generation = generation;
  for (const OwnedTick& tick : ticks) {
    Trade trade = tick.trade;
    trade.conditions.codes = tick.codes;
    commit.add_tick(trade, tick.symbol, tick.offset, tick.log_id);
  }
  write(std::move(commit));
}

void StoreContract::write_bars(BlockList<BarRow> bars) {
  Commit commit;
  commit.bars = std::move(bars);
  write(std::move(commit));
}

std::vector<OwnedTick> StoreContract::ticks(const TickRange& range, Order order) {
  std::vector<OwnedTick> seen;
  const auto keep = [&seen](const Tick& tick) {
    OwnedTick& copy = seen.emplace_back();
    copy.symbol = tick.trade.symbol;
    copy.codes = tick.trade.conditions.codes;
    copy.trade = tick.trade;
    copy.offset = tick.offset;
    copy.log_id = tick.log_id;
    return true;
  };
  const auto done = query().ticks(range, keep, order);
  EXPECT_TRUE(done) << done.error().message();
  return seen;
}

std::vector<OwnedTick> StoreContract::ticks(const TickRange& range) {
  std::vector<OwnedTick> seen = ticks(range, Order::kAscending);
  std::vector<OwnedTick> backwards = ticks(range, Order::kDescending);
  std::ranges::reverse(backwards);
  EXPECT_EQ(seen, backwards) << "visited in the opposite order";
  return seen;
}

std::vector<BarRow> StoreContract::bars(const BarRange& range, Order order) {
  std::vector<BarRow> seen;
  const auto keep = [&seen](const BarRow& row) {
    seen.push_back(row);
    return true;
  };
  const auto done = query().bars(range, keep, order);
  EXPECT_TRUE(done) << done.error().message();
  return seen;
}

std::vector<BarRow> StoreContract::bars(const BarRange& range) {
  std::vector<BarRow> seen = bars(range, Order::kAscending);
  std::vector<BarRow> backwards = bars(range, Order::kDescending);
  std::ranges::reverse(backwards);
  EXPECT_EQ(seen, backwards) << "visited in the opposite order";
  return seen;
}

std::vector<RevisionRow> StoreContract::revisions(const BarRange& range) {
  std::vector<RevisionRow> seen;
  const auto done = query().revisions(range, [&seen](const RevisionRow& row) {
    seen.push_back(row);
    return true;
  });
  EXPECT_TRUE(done) << done.error().message();
  return seen;
}

std::vector<BarRow> StoreContract::load(const BarRange& range) {
  auto rows = store().load_bars({&range, 1});
  EXPECT_TRUE(rows) << rows.error().message();
  return rows ? *rows : std::vector<BarRow>();
}

}  // namespace finpipe::contract
