// Which records of a partition count: the rules that are checked before anything else, in this order.
//   1. Once a partition has seen a newer session of a writer, records of its older ones are refused.
//   2. Seq rule: a trade whose seq is not above the highest of its writer in the partition has been seen before.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "market/trade.h"

namespace finpipe {

class Admission {
 public:
  enum class Verdict : std::uint8_t { kAdmitted, kOldSession, kSeenBefore };
  struct WriterState {
    std::int64_t session = 0;
    std::int64_t seq = 0;
    bool operator==(const WriterState&) const = default;
  };

  [[nodiscard]] Verdict trade(Writer writer, std::int64_t session, std::int64_t seq) {
    WriterState& state = of(writer);
    if (session < state.session) return Verdict::kOldSession;
    state.session = session;
    if (seq <= state.seq) return Verdict::kSeenBefore;
    state.seq = seq;
    return Verdict::kAdmitted;
  }
  [[nodiscard]] Verdict control(Writer writer, std::int64_t session) {
    WriterState& state = of(writer);
    if (session < state.session) return Verdict::kOldSession;
    state.session = session;
    return Verdict::kAdmitted;
  }
  [[nodiscard]] WriterState& of(Writer writer) { return writers_[static_cast<std::size_t>(writer)]; }
  [[nodiscard]] const std::array<WriterState, kWriterCount>& writers() const { return writers_; }

 private:
  std::array<WriterState, kWriterCount> writers_{};
};

}  // namespace finpipe
