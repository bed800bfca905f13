// What tests need that write a log record by record: one partition, live session 1, policies as bundled.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "codec/policy_file.h"
#include "codec/records.h"
#include "pipeline_run.h"

namespace finpipe {

class HandMadeLog : public testing::Test {
 protected:
  static constexpr std::int64_t kStartNs = 1'700'000'000'000'000'000;
  static constexpr std::int64_t kStartMs = kStartNs / kNsPerMs;
  static constexpr std::string_view kSymbol = "BINANCE:BTCUSDT";

  HandMadeLog() : run_(1) {
    control(kStartNs, session(1));
    const auto policies = bundled_policies();
    for (const MarketPolicy& policy : *policies) {
      control(kStartNs, avro::PolicyInForce{policy.market, policy.hash, policy.text});
    }
    control(kStartNs, avro::Subscribed{});
  }

  avro::SessionStarted session(std::int64_t id) {
    return {.id = id,
            .origin = "vendor",
            .source_id = "",
            .start = kStartNs,
            .silent_since = std::nullopt,
            .log_id = run_.log.log_id()};
  }
  void control(std::int64_t stamp_ns, decltype(avro::FeedStatus::body) body, std::int64_t of_session = 1,
               avro::Writer writer = avro::Writer::kLive) {
    std::string value;
    encode_control({.stamp = stamp_ns, .writer = writer, .session = of_session, .body = std::move(body)}, value);
    run_.append(0, {RecordType::kControl, std::nullopt, value});
  }
  avro::Heartbeat beat(std::int64_t appended, std::int64_t lag_ms) {
    avro::Heartbeat beat;
    beat.counters = {appended, 0, appended, 0};
    beat.log_id = run_.log.log_id();
    beat.lags.push_back({"crypto", lag_ms});
    return beat;
  }
  // A trade `ms` after the start, received `late_ms` later.
  Trade trade(std::int64_t ms, std::int64_t price, std::int64_t late_ms = 1) {
    Trade made;
    made.symbol = kSymbol;
    made.event_time_ms = kStartMs + ms;
    made.price_e9 = price * 1'000'000'000;
    made.volume_e8 = 100'000'000;
    made.received_at_ns = kStartNs + (ms + late_ms) * kNsPerMs;
    made.seq = next_seq_ = std::max(next_seq_ + 1, made.received_at_ns);
    made.session = 1;
    return made;
  }
  void put(const Trade& made) { put(made, made.symbol); }
  void put(const Trade& made, std::string_view key) {
    std::string value;
    encode_trade(made, value);
    run_.append(0, {RecordType::kTrade, key, value});
  }
  VerifyReport verify() {
    run_.process();
    return run_.verify();
  }

  MemoryRun run_;
  std::int64_t next_seq_ = 0;
};

}  // namespace finpipe
