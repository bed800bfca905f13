// A tape in memory that can be played again and again: each loop's event times move on by whole milliseconds, so that
// loops follow one another without overlap in delivery or event time. All of it is a pure function of the tape: what is
// due at an instant does not depend on what was played before, so that several players agree (see rebased_history.h).
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "endpoint/finnhub_ws.h"

namespace finpipe {

class LoopedTape {
 public:
  static constexpr std::size_t kMaxBytes = std::size_t{256} << 20;

  // A frame of some loop. Loops before 0 are those before the start.
  struct Position {
    std::int64_t loop = 0;
    std::size_t frame = 0;
    auto operator<=>(const Position&) const = default;
  };
  // A frame as it is sent. The views end with the next rendering into the same object.
  struct Rendered {
    std::string text;
    std::vector<TaggedTrade> trades;  // empty: no trade frame; it goes as it is to everybody
  };

  // Lines without receive time get one as docs/tapes.md says. Lines that are no trade frame (pings, broken ones) are
  // frames whose text never changes. Error: kBadSetting (no frame at all, or more than kMaxBytes).
  [[nodiscard]] static Result<std::shared_ptr<const LoopedTape>> parse(std::string text);
  // Errors: kNotFound, kIo, kBadSetting; they name the path.
  [[nodiscard]] static Result<std::shared_ptr<const LoopedTape>> read(const std::string& path);

  // Of one loop.
  [[nodiscard]] std::size_t frames() const { return frames_.size(); }
  [[nodiscard]] std::int64_t trades() const { return static_cast<std::int64_t>(trades_.size()); }
  // From the first frame of a loop to that of the next: the tape's duration and one typical gap, in whole ms.
  [[nodiscard]] std::int64_t loop_ns() const { return loop_ns_; }
  [[nodiscard]] std::span<const std::string> symbols() const { return symbols_; }

  // When a frame is due at recorded speed, since the start of loop 0.
  [[nodiscard]] std::int64_t due_ns(Position position) const;
  // The first frame that is due then or later.
  [[nodiscard]] Position at(std::int64_t offset_ns) const;
  [[nodiscard]] Position next(Position position) const;

  // By how much the event times of a frame move: as recorded, but each loop after the one before it.
  [[nodiscard]] std::int64_t recorded_shift_ms(Position position) const;
  // And when the frame is delivered at an instant of now: event times keep their distance from delivery as recorded,
  // less the tape's smallest one. So no trade lies in the future, whatever the recorder's clock said. Played at
  // recorded speed this is one shift for the whole loop.
  [[nodiscard]] std::int64_t rebased_shift_ms(Position position, std::int64_t delivered_ns) const;

  // The frame with its event times moved; every other byte is as recorded.
  void render(std::size_t frame, std::int64_t shift_ms, Rendered& out) const;

 private:
  struct Frame {
    std::size_t begin = 0;  // in text_
    std::size_t size = 0;
    std::int64_t received_ns = 0;
    std::size_t first_trade = 0;
    std::size_t trade_count = 0;
  };
  struct TradeAt {
    std::uint32_t begin = 0;  // in the frame
    std::uint32_t end = 0;
    std::uint32_t time_begin = 0;
    std::uint32_t time_end = 0;  // 0: nothing to move
    std::int64_t time_ms = 0;
    std::uint32_t symbol = 0;
  };
  class Loader;

  LoopedTape() = default;

  std::string text_;
  std::vector<Frame> frames_;  // by received_ns
  std::vector<TradeAt> trades_;
  std::vector<std::string> symbols_;
  std::int64_t loop_ns_ = 0;
  std::int64_t smallest_lag_ns_ = 0;  // receive time less event time
};

}  // namespace finpipe
