// What the seam to a registry costs a record. Input: one trade of AAPL. Beside it: decoding that trade.
#include <benchmark/benchmark.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "codec/confluent.h"
#include "codec/records.h"
#include "codec/stock_tick_avro.h"
#include "logs/schema_translator.h"

namespace finpipe {
namespace {

std::string newer_schema() {
  std::string text(avro::StockTick::kSchema);
  return text.insert(text.rfind("]}"), R"(,{"name":"venue","type":"string"})");
}

std::string trade_value() {
  std::string out;
  encode_trade({.symbol = "AAPL",
                .event_time_ms = 1'700'000'000'000,
                .price_e9 = 190'120'000'000,
                .volume_e8 = 300'000'000,
                .conditions = {},
                .received_at_ns = 1'700'000'000'123'456'789,
                .seq = 1'700'000'000'123'456'789,
                .session = 4},
               out);
  return out;
}

SchemaTranslator translator() {
  return SchemaTranslator(std::vector<WireSchema>{{1, 17, avro::StockTick::kSchema}},
                          [](std::uint32_t) { return std::optional<Result<std::string>>(newer_schema()); });
}

void ToWire(benchmark::State& state) {
  const SchemaTranslator translate = translator();
  const std::string value = trade_value();
  std::string scratch;
  for (auto _ : state) benchmark::DoNotOptimize(translate.to_wire(value, scratch));
}
BENCHMARK(ToWire);

void FromWireSameSchema(benchmark::State& state) {
  SchemaTranslator translate = translator();
  std::string scratch;
  std::string wire(translate.to_wire(trade_value(), scratch));
  for (auto _ : state) {
    benchmark::DoNotOptimize(translate.from_wire(wire, scratch));
    wire[4] = 17;
  }
}
BENCHMARK(FromWireSameSchema);

void FromWireNewerSchema(benchmark::State& state) {
  SchemaTranslator translate = translator();
  std::string scratch;
  std::string wire;
  frame_header(18, wire);
  wire += trade_value().substr(kFrameHeaderBytes) + "\x08NYSE";
  if (translate.from_wire(wire, scratch)->value != trade_value()) throw std::runtime_error("resolved wrongly");
  for (auto _ : state) benchmark::DoNotOptimize(translate.from_wire(wire, scratch));
}
BENCHMARK(FromWireNewerSchema);

// What follows it either way.
void DecodeTrade(benchmark::State& state) {
  const std::string value = trade_value();
  TradeDecoder decoder;
  Trade trade;
  for (auto _ : state) benchmark::DoNotOptimize(decoder.decode(value, trade));
}
BENCHMARK(DecodeTrade);

}  // namespace
}  // namespace finpipe
