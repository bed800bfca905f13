// Finnhub frames: parse and validate by FrameParser, against a bare simdjson On-Demand walk over all five keys (raw
// number tokens, no number parsing) and against RapidJSON's SAX reader in situ with numbers as doubles.
// Input: the frames of data/binance.tape and data/finnhub.tape. Each line prints `ns_a_trade`, `walk_ratio` (our time
// over the walk's, lower is better) and `rapidjson_ratio` (RapidJSON's time over ours, higher is better).
#include <benchmark/benchmark.h>
#include <rapidjson/reader.h>
#include <simdjson.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "codec/finnhub_frame.h"

namespace finpipe {
namespace {

std::vector<std::string> load_frames(const std::string& name) {
  std::ifstream file(std::string(FINPIPE_SOURCE_DIR) + "/data/" + name);
  std::vector<std::string> frames;
  for (std::string line; std::getline(file, line);) {
    const std::size_t begin = line.find('{');
    if (begin != std::string::npos) frames.push_back(line.substr(begin));
  }
  if (frames.empty()) throw std::runtime_error("no frames in data/" + name);
  if (std::getenv("FINPIPE_BENCH_SMALL") != nullptr) frames.resize(std::min<std::size_t>(frames.size(), 20));
  return frames;
}

std::size_t parse_ours(FrameParser& parser, const std::vector<std::string>& frames) {
  std::size_t trades = 0;
  for (const std::string& frame : frames) {
    const ParsedFrame& parsed = parser.parse(frame);
    benchmark::DoNotOptimize(parsed.trades.data());
    trades += parsed.trades.size();
  }
  return trades;
}

// The walk has its frames padded already: it copies nothing.
std::size_t walk(simdjson::ondemand::parser& parser, const std::vector<simdjson::padded_string>& frames) {
  std::size_t trades = 0;
  for (const simdjson::padded_string& frame : frames) {
    simdjson::ondemand::document document = parser.iterate(frame);
    simdjson::ondemand::object root = document.get_object();
    if (root["type"].get_string().value_unsafe() != "trade") continue;
    for (auto element : root["data"].get_array()) {
      simdjson::ondemand::object trade = element.get_object();
      simdjson::ondemand::value conditions;
      if (trade.find_field("c").get(conditions) == simdjson::SUCCESS) {
        simdjson::ondemand::array codes;
        if (conditions.get_array().get(codes) == simdjson::SUCCESS) {
          for (auto code : codes) benchmark::DoNotOptimize(code.get_string().value_unsafe().data());
        }
      }
      benchmark::DoNotOptimize(trade.find_field("p").raw_json_token().value_unsafe().data());
      benchmark::DoNotOptimize(trade.find_field("s").get_string().value_unsafe().data());
      benchmark::DoNotOptimize(trade.find_field("t").raw_json_token().value_unsafe().data());
      benchmark::DoNotOptimize(trade.find_field("v").raw_json_token().value_unsafe().data());
      ++trades;
    }
  }
  return trades;
}

// Keeps what a consumer of doubles would keep of each trade.
struct DoubleTrades : rapidjson::BaseReaderHandler<rapidjson::UTF8<>, DoubleTrades> {
  bool Key(const char* text, rapidjson::SizeType length, bool /*copy*/) {
    key = length == 1 ? *text : '\0';
    return true;
  }
  bool String(const char* text, rapidjson::SizeType length, bool /*copy*/) {
    if (key == 's') symbol = {text, length};
    return true;
  }
  bool Double(double number) {
    if (key == 'p') price = number;
    if (key == 'v') volume = number;
    return true;
  }
  bool Uint64(std::uint64_t number) {
    if (key != 't') return Double(static_cast<double>(number));
    time = number;
    return true;
  }
  bool Uint(unsigned number) { return Uint64(number); }
  bool Int(int number) { return Double(number); }
  bool Int64(std::int64_t number) { return Double(static_cast<double>(number)); }
  bool EndObject(rapidjson::SizeType /*members*/) {
    benchmark::DoNotOptimize(price);
    benchmark::DoNotOptimize(volume);
    benchmark::DoNotOptimize(time);
    benchmark::DoNotOptimize(symbol.data());
    ++objects;
    return true;
  }

  char key = '\0';
  double price = 0;
  double volume = 0;
  std::uint64_t time = 0;
  std::string_view symbol;
  std::size_t objects = 0;
};

// Parsing in situ destroys the text, so each frame is copied first, as it is for ours.
std::size_t parse_rapidjson(std::vector<char>& buffer, const std::vector<std::string>& frames) {
  std::size_t trades = 0;
  for (const std::string& frame : frames) {
    buffer.assign(frame.c_str(), frame.c_str() + frame.size() + 1);
    rapidjson::InsituStringStream stream(buffer.data());
    rapidjson::Reader reader;
    DoubleTrades handler;
    reader.Parse<rapidjson::kParseInsituFlag>(stream, handler);
    trades += handler.objects - 1;
  }
  return trades;
}

template <typename Work>
double time_ns(Work work) {
  const auto start = std::chrono::steady_clock::now();
  benchmark::DoNotOptimize(work());
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
}

// The three are timed in turns, so that what else the machine does meets all of them.
void parse_frames(benchmark::State& state, const std::string& tape) {
  const std::vector<std::string> frames = load_frames(tape);
  const std::vector<simdjson::padded_string> padded(frames.begin(), frames.end());
  FrameParser ours;
  simdjson::ondemand::parser walker;
  std::vector<char> buffer;
  const std::size_t trades = parse_ours(ours, frames);
  if (walk(walker, padded) != trades) {
    state.SkipWithError("the walk saw another number of trades");
    return;
  }
  double ours_ns = 0;
  double walk_ns = 0;
  double rapidjson_ns = 0;
  for (auto _ : state) {
    const double turn_ns = time_ns([&] { return parse_ours(ours, frames); });
    state.SetIterationTime(turn_ns * 1e-9);
    ours_ns += turn_ns;
    walk_ns += time_ns([&] { return walk(walker, padded); });
    rapidjson_ns += time_ns([&] { return parse_rapidjson(buffer, frames); });
  }
  const auto total = static_cast<double>(trades) * static_cast<double>(state.iterations());
  state.SetItemsProcessed(static_cast<std::int64_t>(total));
  state.counters["ns_a_trade"] = ours_ns / total;
  state.counters["walk_ns"] = walk_ns / total;
  state.counters["rapidjson_ns"] = rapidjson_ns / total;
  state.counters["walk_ratio"] = ours_ns / walk_ns;
  state.counters["rapidjson_ratio"] = rapidjson_ns / ours_ns;
}

BENCHMARK_CAPTURE(parse_frames, binance, std::string("binance.tape"))->UseManualTime();
BENCHMARK_CAPTURE(parse_frames, finnhub, std::string("finnhub.tape"))->UseManualTime();

}  // namespace
}  // namespace finpipe
