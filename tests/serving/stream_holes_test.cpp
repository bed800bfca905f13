// A brute-force search for what a client of the stream could miss, get twice or see go backwards: seeded histories of a
// processor, clients that come, subscribe, read slowly and go, and a loop that takes its turns whenever it likes.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "documents.h"
#include "scripted_processor.h"
#include "stream_bench.h"

namespace finpipe {
namespace {

// Keeps what it is sent, as docs/api.md says that a client should.
class ModelClient {
 public:
  ModelClient(StreamBench& bench, std::string symbol) : symbol_(std::move(symbol)), connection_(bench.connect()) {
    say("subscribe", R"("channel":"bars","interval":"1s","snapshot":5000)");
    say("subscribe", R"("channel":"trades","snapshot":5000)");
  }

  void renew() {
    say("unsubscribe", R"("channel":"trades")");
    static_cast<void>(read());
    seqs_.clear();
    dropped_ = 0;
    trade_snapshots_ = 0;
    say("subscribe", R"("channel":"trades","snapshot":5000)");
  }
  std::size_t read() {
    const auto messages = connection_->read();
    for (const auto& text : messages) see(parse_json(*text));
    return messages.size();
  }
  void expect_everything(const ScriptedProcessor& processor) const {
    EXPECT_EQ(connection_->close_code, 0);
    EXPECT_EQ(versions_, processor.versions(symbol_));
    const auto all = processor.seqs(symbol_);
    EXPECT_EQ(static_cast<std::int64_t>(seqs_.size()) + dropped_, static_cast<std::int64_t>(all.size()));
    if (dropped_ == 0) {
      EXPECT_EQ(seqs_, std::set<std::int64_t>(all.begin(), all.end()));
    }
    EXPECT_EQ(trade_snapshots_, 1);
  }

 private:
  void say(const std::string& type, const std::string& members) {
    connection_->say(R"({"type":")" + type + R"(","symbol":")" + symbol_ + R"(",)" + members + "}");
  }
  void see(const rapidjson::Document& message) {
    ASSERT_EQ(text_of(message["symbol"]), symbol_);
    if (text_of(message["channel"]) == "trades") {
      if (text_of(message["type"]) == "snapshot") ++trade_snapshots_;
      for (const auto& trade : message["trades"].GetArray())
        EXPECT_TRUE(seqs_.insert(trade["seq"].GetInt64()).second) << "trade " << trade["seq"].GetInt64() << " twice";
      if (message.HasMember("dropped")) dropped_ += message["dropped"].GetInt64();
      return;
    }
    for (const auto& bar : message["bars"].GetArray()) {
      std::int64_t& version = versions_[bar["start"].GetInt64()];
      EXPECT_GE(bar["version"].GetInt64(), version) << "an older version of bar " << bar["start"].GetInt64();
      version = bar["version"].GetInt64();
    }
  }

  std::string symbol_;
  std::unique_ptr<ScriptedConnection> connection_;
  std::map<std::int64_t, std::int64_t> versions_;
  std::set<std::int64_t> seqs_;
  std::int64_t dropped_ = 0;
  int trade_snapshots_ = 0;
};

class StreamHistory {
 public:
  explicit StreamHistory(std::uint64_t seed)
      : random_(seed),
        options_{.partitions = static_cast<std::int32_t>(random_.between(1, 3)),
                 .symbols = {"A", "B", "IC MARKETS:1"},
                 .max_records_per_round = static_cast<int>(random_.between(1, 8)),
                 .record_chance = random_.chance(0.3) ? 0.2 : 0.8,
                 .commit_chance = random_.chance(0.3) ? 0.1 : 0.5},
        bench_(options_.partitions, limits(random_)),
        processor_(options_, bench_.hub, bench_.store, random_.next()) {
    // The processor goes on while the loop reads a snapshot.
    bench_.query.before_read = [this] {
      while (random_.chance(0.7)) processor_.step();
    };
  }

  void run() {
    for (int i = 0; i < 300; ++i) {
      processor_.step();
      while (random_.chance(0.4)) act();
    }
    bench_.query.before_read = [] {};
    processor_.finish();
    bool more = true;
    while (more) {
      bench_.run();
      more = false;
      for (const auto& client : clients_) more = client->read() > 0 || more;
      more = more || !bench_.turns.empty();
    }
    for (const auto& client : clients_) client->expect_everything(processor_);
  }

 private:
  static StreamLimits limits(Random& random) {
    StreamLimits limits;
    limits.queued_bytes = static_cast<std::size_t>(random.between(300, 3'000));
    limits.held_trades = static_cast<std::size_t>(random.between(2, 20));
    limits.message_rows = static_cast<std::size_t>(random.between(1, 10));
    limits.message_burst = 1'000;
    return limits;
  }
  void act() {
    const std::uint64_t choice = random_.below(10);
    if (choice < 6) {
      static_cast<void>(bench_.turn());
    } else if (clients_.empty() || (choice == 6 && clients_.size() < 4)) {
      clients_.push_back(
          std::make_unique<ModelClient>(bench_, options_.symbols[random_.below(options_.symbols.size())]));
    } else {
      const auto at = clients_.begin() + static_cast<std::ptrdiff_t>(random_.below(clients_.size()));
      if (random_.chance(0.8)) {
        static_cast<void>((*at)->read());
      } else if (random_.chance(0.5)) {
        (*at)->renew();
      } else {
        clients_.erase(at);
      }
    }
  }

  Random random_;
  ScriptedProcessor::Options options_;
  StreamBench bench_;
  ScriptedProcessor processor_;
  std::vector<std::unique_ptr<ModelClient>> clients_;
};

TEST(StreamHoles, NoHistoryGivesAClientAHoleARepeatOrAStepBack) {
  for (std::uint64_t seed = 1; seed <= 500 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    StreamHistory(seed).run();
  }
}

}  // namespace
}  // namespace finpipe
