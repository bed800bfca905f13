// fuzz_seeds DIRECTORY: writes real inputs to begin with, a subdirectory per target, from the tapes, policies and
// seeded histories of this repository. What no file here has stands in corpus/.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "codec/confluent.h"
#include "codec/records.h"
#include "codec/stock_bar_avro.h"
#include "codec/store_codec.h"
#include "logs/dead_letter_codec.h"
#include "pipeline/checkpoint.h"
#include "simulation/history.h"

namespace finpipe {
namespace {

namespace fs = std::filesystem;

class Seeds {
 public:
  explicit Seeds(fs::path directory) : directory_(std::move(directory)) {}

  void put(std::string_view target, std::string_view bytes) {
    fs::create_directories(directory_ / target);
    std::ofstream(directory_ / target / fmt::format("seed-{:03}", number_++), std::ios::binary) << bytes;
  }

 private:
  fs::path directory_;
  int number_ = 0;
};

std::vector<std::string> lines_of(std::string_view name, std::size_t most) {
  std::ifstream file(fmt::format("{}/data/{}", FINPIPE_SOURCE_DIR, name));
  std::vector<std::string> lines;
  for (std::string line; lines.size() < most && std::getline(file, line);) lines.push_back(line);
  return lines;
}

void tapes(Seeds& seeds) {
  std::string tape(1, '\3');
  for (const char* name : {"finnhub.tape", "binance.tape"}) {
    for (const std::string& line : lines_of(name, 20)) {
      seeds.put("frame", std::string_view(line).substr(line.find('{')));
      if (line.size() < 300) tape += line + "\n";
    }
  }
  seeds.put("tape", tape);
}

void records(Seeds& seeds) {
  const simulation::History history = simulation::make_history(1);
  for (std::size_t i = 0; i < 200 && i < history.records.size(); i += 2) {
    const auto& record = history.records[i];
    if (record.value.size() < 1'000) {
      seeds.put("avro", (record.type == RecordType::kTrade ? '\0' : '\1') + record.value);
    }
  }
  std::string letter(1, '\2');
  encode_dead_letter({.id = "log:07:0:12",
                      .received_at_ns = 1'723'161'254'347'673'567,
                      .reason = ErrorCode::kBadPrice,
                      .detail = "p is below zero",
                      .raw = "{\"p\":-1}"},
                     letter);
  seeds.put("avro", letter);
  Bar bar;
  bar.first = bar.last_if_alone = {1'723'161'240'000, 5, 61'837'630'000'000};
  bar.has_high_low = true;
  bar.volume_e8 = int128{1} << 70;
  bar.notional_e17 = -(int128{1} << 100);
  bar.state = BarState::kRevised;
  bar.pending_deadline_ns = 1'723'161'254'347'673'567;
  std::string row(1, '\3');
  encode_bar(bar, row);
  seeds.put("avro", row);
  Trade trade;
  trade.conditions = {Conditions::Form::kList, "1 12"};
  std::string tick(1, '\4');
  TickCodec().encode(trade, 12, {}, tick);
  seeds.put("avro", tick);
  Checkpoint checkpoint;
  checkpoint.engine.lags_ms = {{"crypto", 62}};
  checkpoint.engine.trust.off_since = {{"AAPL", 1'723'161'240'000}};
  checkpoint.engine.unclosed = {{"AAPL", Interval::k1d, 0}};
  checkpoint.policies = {{"crypto", "0123"}};
  checkpoint.ledger[{Writer::kLive, 1}].stored = 3;
  checkpoint.origin = "demo";
  checkpoint.fingerprint = engine_fingerprint();
  seeds.put("avro", '\5' + encode_checkpoint(checkpoint).body);
}

// Values of our records as a writer with a field more has them.
void foreign_values(Seeds& seeds) {
  const auto put = [&](char kind, std::string schema, std::string_view value) {
    schema.insert(schema.find(R"("fields":[)") + 10, R"({"name":"more","type":"boolean"},)");
    seeds.put("resolution", kind + schema + std::string("\0\1", 2) + std::string(value));
  };
  const simulation::History history = simulation::make_history(1);
  for (std::size_t i = 0; i < 40 && i < history.records.size(); ++i) {
    const auto& record = history.records[i];
    const std::string_view payload = std::string_view(record.value).substr(kFrameHeaderBytes);
    if (record.type == RecordType::kTrade) put('\0', std::string(avro::StockTick::kSchema), payload);
    if (record.type == RecordType::kControl) put('\1', std::string(avro::FeedStatus::kSchema), payload);
  }
  std::string bar;
  avro::encode(avro::StockBar{.symbol = "AAPL", .interval = "1m"}, bar);
  put('\2', std::string(avro::StockBar::kSchema), bar);
}

void policies(Seeds& seeds) {
  for (const auto& entry : fs::directory_iterator(fs::path(FINPIPE_SOURCE_DIR) / "policies")) {
    if (entry.path().extension() != ".toml") continue;
    std::ifstream file(entry.path());
    seeds.put("config", '\1' + std::string(std::istreambuf_iterator<char>(file), {}));
  }
}

void texts(Seeds& seeds) {
  for (const std::string target : {"config", "request"}) {
    std::ifstream file(fmt::format("{}/tests/fuzz/inputs/{}.txt", FINPIPE_SOURCE_DIR, target));
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with('#')) continue;
      std::ranges::replace(line, '~', '\n');
      line[0] = static_cast<char>(line[0] - '0');
      if (line.size() > 1) line.erase(1, 1);
      seeds.put(target, line);
    }
  }
}

void scripts(Seeds& seeds) {
  Random random(1);
  for (std::size_t size = 40; size <= 640; size += 40) {
    std::string script;
    while (script.size() < size) script.push_back(static_cast<char>(random.below(256)));
    seeds.put("engine", script);
  }
}

}  // namespace
}  // namespace finpipe

int main(int count, char** arguments) {
  if (count != 2) {
    fmt::print(stderr, "usage: fuzz_seeds DIRECTORY\n");
    return 2;
  }
  finpipe::Seeds seeds(arguments[1]);
  finpipe::tapes(seeds);
  finpipe::records(seeds);
  finpipe::foreign_values(seeds);
  finpipe::policies(seeds);
  finpipe::texts(seeds);
  finpipe::scripts(seeds);
  return 0;
}
