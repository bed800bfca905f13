// What playing costs: the bundled tape's frames with other times in them. The rival is copying the recorded text, the
// least that sending could cost.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include "simulator/looped_tape.h"
#include "simulator/player.h"

namespace finpipe {
namespace {

std::shared_ptr<const LoopedTape> bundled() {
  static const auto tape = *LoopedTape::read(std::string(FINPIPE_SOURCE_DIR) + "/data/binance.tape");
  return tape;
}

void count_trades(benchmark::State& state) {
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * bundled()->trades());
}

void BM_CopyRecordedFrames(benchmark::State& state) {
  const auto tape = bundled();
  std::vector<std::string> frames;
  LoopedTape::Rendered out;
  for (std::size_t i = 0; i < tape->frames(); ++i) frames.push_back((tape->render(i, 0, out), out.text));
  std::string text;
  for (auto _ : state) {
    for (const std::string& frame : frames) {
      text.assign(frame);
      benchmark::DoNotOptimize(text.data());
    }
  }
  count_trades(state);
}
BENCHMARK(BM_CopyRecordedFrames)->Unit(benchmark::kMillisecond);

void BM_PlayRebased(benchmark::State& state) {
  const auto tape = bundled();
  for (auto _ : state) {
    TapePlayer player(tape, {.speed = 0, .loop = false, .rebase = true}, 0, 0);
    player.play(1'800'000'000'000'000'000, tape->frames(),
                [](const LoopedTape::Rendered& frame) { benchmark::DoNotOptimize(frame.text.data()); });
  }
  count_trades(state);
}
BENCHMARK(BM_PlayRebased)->Unit(benchmark::kMillisecond);

void BM_LoadTape(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(LoopedTape::read(std::string(FINPIPE_SOURCE_DIR) + "/data/binance.tape"));
  }
  count_trades(state);
}
BENCHMARK(BM_LoadTape)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace finpipe
