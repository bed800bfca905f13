// Avro: one trade encoded and decoded by the generated code, and by avro-c on the same schema and the same values.
// Input: a BINANCE:BTCUSDT trade (conditions null) and an AAPL trade with four conditions. The rival keeps its value
// object and its buffer between trades, as fast as its public interface goes. Each of our lines prints `ns_a_trade` and
// `avro_c_ratio`, how many times as long avro-c took for the same work in this run.
#include <avro.h>
#include <benchmark/benchmark.h>
#include <time.h>

#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

#include "codec/stock_tick_avro.h"

namespace finpipe::avro {
namespace {

StockTick crypto_trade() {
  return {.symbol = "BINANCE:BTCUSDT",
          .event_time = 1'723'075'200'123,
          .seq = 1'723'075'198'853'123'456,
          .price = 55'134'160'000'000,
          .volume = 123'000,
          .received_at = 1'723'075'198'853'123'456,
          .writer = Writer::kLive,
          .session = 17};
}

StockTick stock_trade() {
  StockTick trade = crypto_trade();
  trade.symbol = "AAPL";
  trade.price = 164'060'100'000;
  trade.volume = 500'000'000;
  trade.conditions = {"1", "8", "24", "12"};
  return trade;
}

void must(int status) {
  if (status != 0) throw std::runtime_error(avro_strerror());
}

// avro-c's generic value of a StockTick.
class Rival {
 public:
  Rival() {
    must(avro_schema_from_json_length(StockTick::kSchema.data(), StockTick::kSchema.size(), &schema_));
    interface_ = avro_generic_class_from_schema(schema_);
    must(avro_generic_value_new(interface_, &value_));
    writer_ = avro_writer_memory(buffer_, sizeof buffer_);
    reader_ = avro_reader_memory(buffer_, sizeof buffer_);
  }
  Rival(const Rival&) = delete;
  Rival& operator=(const Rival&) = delete;
  ~Rival() {
    avro_reader_free(reader_);
    avro_writer_free(writer_);
    avro_value_decref(&value_);
    avro_value_iface_decref(interface_);
    avro_schema_decref(schema_);
  }

  // Sets every field from `trade` and writes the value.
  std::string_view encode(const StockTick& trade) {
    must(avro_value_reset(&value_));
    avro_value_t field;
    take(0, field);
    must(avro_value_set_string_len(&field, const_cast<char*>(trade.symbol.data()), trade.symbol.size() + 1));
    set_long(1, trade.event_time);
    set_long(2, trade.seq);
    set_decimal(3, trade.price);
    set_decimal(4, trade.volume);
    set_conditions(trade);
    take(6, field);
    must(avro_value_set_boolean(&field, trade.conditions_present ? 1 : 0));
    set_long(7, trade.received_at);
    take(8, field);
    must(avro_value_set_enum(&field, static_cast<int>(trade.writer)));
    set_long(9, trade.session);
    take(10, field);
    must(avro_value_set_enum(&field, static_cast<int>(trade.suspect)));
    avro_writer_reset(writer_);
    must(avro_value_write(writer_, &value_));
    return {buffer_, static_cast<std::size_t>(avro_writer_tell(writer_))};
  }

  // Reads a value into avro-c's own object, without taking its fields out again.
  void decode(std::string_view bytes) {
    avro_reader_memory_set_source(reader_, bytes.data(), static_cast<std::int64_t>(bytes.size()));
    must(avro_value_read(reader_, &value_));
  }

 private:
  void take(std::size_t index, avro_value_t& field) { must(avro_value_get_by_index(&value_, index, &field, nullptr)); }
  void set_long(std::size_t index, std::int64_t number) {
    avro_value_t field;
    take(index, field);
    must(avro_value_set_long(&field, number));
  }
  void set_decimal(std::size_t index, std::int64_t number) {
    unsigned char bytes[8];
    std::size_t size = 0;
    do {
      bytes[7 - size] = static_cast<unsigned char>(number >> (8 * size));
      ++size;
    } while (size < 8 && (number >> (8 * size - 1)) != (number < 0 ? -1 : 0));
    avro_value_t field;
    take(index, field);
    must(avro_value_set_bytes(&field, bytes + 8 - size, size));
  }
  void set_conditions(const StockTick& trade) {
    avro_value_t field;
    avro_value_t branch;
    take(5, field);
    must(avro_value_set_branch(&field, trade.conditions ? 1 : 0, &branch));
    if (!trade.conditions) return;
    for (const std::string_view condition : *trade.conditions) {
      avro_value_t item;
      must(avro_value_append(&branch, &item, nullptr));
      must(avro_value_set_string_len(&item, const_cast<char*>(condition.data()), condition.size() + 1));
    }
  }

  char buffer_[256] = {};
  avro_schema_t schema_ = nullptr;
  avro_value_iface_t* interface_ = nullptr;
  avro_value_t value_{};
  avro_writer_t writer_ = nullptr;
  avro_reader_t reader_ = nullptr;
};

double thread_cpu_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

// Nanoseconds of processor time that one call of `work` takes; waiting for a busy machine does not count.
template <typename Work>
double measure_ns(int repeats, Work work) {
  const double start_ns = thread_cpu_ns();
  for (int i = 0; i < repeats; ++i) work();
  return (thread_cpu_ns() - start_ns) / repeats;
}

// Both sides are timed in turns, so that what else the machine does meets both.
template <typename Ours, typename Theirs>
void compare(benchmark::State& state, Ours ours, Theirs theirs) {
  constexpr int kRepeats = 1000;
  double ours_ns = 0;
  double theirs_ns = 0;
  for (auto _ : state) {
    const double turn_ns = measure_ns(kRepeats, ours);
    state.SetIterationTime(turn_ns * kRepeats * 1e-9);
    ours_ns += turn_ns;
    theirs_ns += measure_ns(kRepeats, theirs);
  }
  const auto turns = static_cast<double>(state.iterations());
  state.SetItemsProcessed(state.iterations() * kRepeats);
  state.counters["ns_a_trade"] = ours_ns / turns;
  state.counters["avro_c_ns"] = theirs_ns / turns;
  state.counters["avro_c_ratio"] = theirs_ns / ours_ns;
}

void encode_trade(benchmark::State& state, const StockTick& trade) {
  Rival rival;
  std::string out;
  encode(trade, out);
  if (rival.encode(trade) != out) {
    state.SkipWithError("avro-c wrote other bytes");
    return;
  }
  compare(
      state,
      [&] {
        out.clear();
        encode(trade, out);
        benchmark::DoNotOptimize(out.data());
        benchmark::ClobberMemory();
      },
      [&] { benchmark::DoNotOptimize(rival.encode(trade).data()); });
}

void decode_trade(benchmark::State& state, const StockTick& trade) {
  Rival rival;
  std::string bytes;
  encode(trade, bytes);
  StockTick decoded;
  if (!decode(std::as_bytes(std::span(bytes)), decoded) || decoded != trade) {
    state.SkipWithError("the trade was not read back");
    return;
  }
  compare(
      state,
      [&] {
        const bool good = decode(std::as_bytes(std::span(bytes)), decoded).has_value();
        benchmark::DoNotOptimize(good);
        benchmark::DoNotOptimize(&decoded);
        benchmark::ClobberMemory();
      },
      [&] { rival.decode(bytes); });
}

BENCHMARK_CAPTURE(encode_trade, crypto, crypto_trade())->UseManualTime();
BENCHMARK_CAPTURE(encode_trade, stock_with_conditions, stock_trade())->UseManualTime();
BENCHMARK_CAPTURE(decode_trade, crypto, crypto_trade())->UseManualTime();
BENCHMARK_CAPTURE(decode_trade, stock_with_conditions, stock_trade())->UseManualTime();

}  // namespace
}  // namespace finpipe::avro
