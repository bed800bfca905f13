// Compares the stored trades of one symbol with those of the log, both in the order of their key. Private to verify.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/ports.h"
#include "pipeline/verify.h"
#include "pipeline/verify_findings.h"
#include "pipeline/verify_log.h"

namespace finpipe {

class TickCheck {
 public:
  // `trades` in the order of the log. `store_is_ahead`: an older generation had read further than the checkpoint.
  TickCheck(std::string_view symbol, const LoggedPartition& log, std::span<const LoggedTrade> trades,
            bool store_is_ahead, VerifyFindings& findings, VerifiedSymbol& report);

  [[nodiscard]] Result<void> run(Query& store);
  // Highest event time of a stored trade that the log does not have any more.
  [[nodiscard]] std::int64_t newest_expired_ms() const { return newest_expired_ms_; }

 private:
  void take(const Tick& tick);
  void compare(const LoggedTrade& logged, const Tick& tick);
  void missing(const LoggedTrade& logged);
  [[nodiscard]] std::string name(std::int64_t event_time_ms, std::int64_t seq, std::int64_t offset) const;

  std::string_view symbol_;
  const LoggedPartition& log_;
  std::vector<const LoggedTrade*> expected_;  // by event time, then seq
  std::size_t next_ = 0;
  bool store_is_ahead_;
  VerifyFindings& findings_;
  VerifiedSymbol& report_;
  std::int64_t newest_expired_ms_;
};

}  // namespace finpipe
