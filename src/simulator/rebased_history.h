// What a live player of the same tape and start would have delivered in a span of the past, as a feed: it fills an
// empty log so that the live play joins it without a jump.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "pipeline/ports.h"
#include "simulator/looped_tape.h"

namespace finpipe {

class RebasedHistory final : public Feed {
 public:
  struct Span {
    std::int64_t start_ns = 0;  // wall time at which loop 0 of the live play begins
    std::int64_t from_ns = 0;   // [from, to) of delivery
    std::int64_t to_ns = 0;
  };

  RebasedHistory(std::shared_ptr<const LoopedTape> tape, Span span);

  [[nodiscard]] std::string_view origin() const override { return "demo"; }
  [[nodiscard]] std::string_view source_id() const override { return "demo-history"; }
  // Never says `end`: the live play follows.
  [[nodiscard]] Result<FeedBatch> poll(std::size_t max_frames) override;
  [[nodiscard]] std::optional<double> progress() const override;
  [[nodiscard]] bool exhausted() const { return due_ns() >= span_.to_ns; }

 private:
  [[nodiscard]] std::int64_t due_ns() const { return span_.start_ns + tape_->due_ns(position_); }

  std::shared_ptr<const LoopedTape> tape_;
  Span span_;
  LoopedTape::Position position_;
  std::int64_t count_ = 0;
  std::vector<LoopedTape::Rendered> rendered_;  // reused from poll to poll
  std::vector<FeedFrame> frames_;
};

}  // namespace finpipe
