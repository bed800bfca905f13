// Everything that one seed of the pipeline simulation is made of, and how it passes.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "cluster.h"
#include "history.h"
#include "link_feed.h"
#include "logs/memory_log.h"
#include "mortal_ports.h"
#include "naive_model.h"
#include "pipeline/ingest.h"
#include "policy_texts.h"
#include "vendor.h"

namespace finpipe::simulation {

// How often an ingest was handed a trade of the vendor's record.
struct HandedOut {
  std::int64_t whole = 0;  // in a round that it lived through
  std::int64_t torn = 0;   // in one that it died in
};

class World {
 public:
  explicit World(std::uint64_t seed);

  // An error is one that no accident explains.
  [[nodiscard]] Result<void> run();

  // ---- For the judge.
  [[nodiscard]] const Vendor& vendor() const { return vendor_; }
  [[nodiscard]] MemoryLog& log() { return log_; }
  [[nodiscard]] Cluster& cluster() { return cluster_; }
  [[nodiscard]] std::int32_t partitions() const { return log_.partitions(); }
  [[nodiscard]] HandedOut handed_out(std::size_t trade) const;
  [[nodiscard]] const std::vector<Generation>& generations() const { return generations_; }  // by partition
  [[nodiscard]] std::int64_t market_opened_ms() const { return market_opened_ms_; }
  [[nodiscard]] std::int64_t market_closed_ms() const { return market_closed_ms_; }
  [[nodiscard]] bool clock_leapt() const { return leap_ns_ != 0; }  // ever, by an hour or more
  [[nodiscard]] std::int64_t outages() const { return outages_; }
  [[nodiscard]] std::map<std::string_view, std::int64_t>& counts() { return counts_; }
  [[nodiscard]] Result<History> history();

 private:
  // One process; what it borrows stands above what borrows it.
  struct IngestProcess {
    Fuse fuse;
    SessionClock clock;
    LinkFeed feed;
    MortalLogReader reader;
    MortalLogWriter writer;
    MortalDeadLetters letters;
    Ingest ingest;
    std::int64_t asleep_until_ms = 0;
    std::int64_t dies_ms = 0;  // of a zombie

    IngestProcess(World& world, IngestOptions options);
  };

  [[nodiscard]] std::vector<std::int32_t> all_partitions() const;
  [[nodiscard]] std::int64_t records();
  void step_clock(std::int64_t by_ms);
  [[nodiscard]] Result<void> pass(bool calm);
  [[nodiscard]] Result<void> drain();
  [[nodiscard]] bool vendor_may_slow() const;
  [[nodiscard]] Result<void> start_ingest();
  // False: it has died.
  [[nodiscard]] Result<bool> step(IngestProcess& process, bool zombie);
  [[nodiscard]] Result<bool> survived(IngestProcess& process, const Result<void>& outcome, bool zombie);
  [[nodiscard]] Result<void> step_ingests();
  void accident();
  void link_accident();
  void clock_accident();
  void put_to_sleep();
  [[nodiscard]] Result<void> reset();
  [[nodiscard]] Result<void> void_something();
  [[nodiscard]] Result<std::optional<avro::VoidTrade>> some_trade();
  void operate(decltype(avro::FeedStatus::body) body);
  [[nodiscard]] std::vector<MarketPolicy> policies() const;

  Random random_;
  std::int64_t now_ms_;  // the true time
  Vendor vendor_;
  ManualClock host_;
  MemoryLog log_;
  Cluster cluster_;
  std::vector<PolicyTexts> policy_texts_;
  std::vector<std::size_t> policy_versions_;
  double time_scale_;
  std::unique_ptr<IngestProcess> ingest_;  // null while it is down
  std::int64_t start_ms_ = 0;              // then it starts again
  std::vector<std::unique_ptr<IngestProcess>> zombies_;
  std::unordered_map<std::size_t, HandedOut> handed_out_;
  std::vector<std::int64_t> received_;  // trades by symbol since the ingest started
  std::int64_t market_opened_ms_;
  std::int64_t market_closed_ms_ = 0;
  std::int64_t outages_ = 0;

  std::int64_t leap_ns_ = 0;     // of the clock, in this seed
  std::int64_t leap_at_ms_ = 0;  // and when it is made, and when it is taken back
  std::int64_t leap_back_ms_ = 0;
  std::int64_t reset_at_ms_ = 0;
  std::vector<Generation> generations_;
  std::int64_t operator_session_ = 0;
  std::vector<std::tuple<std::string, std::int64_t, std::int64_t>> voided_;

  std::map<std::string_view, std::int64_t> counts_;
};

}  // namespace finpipe::simulation
