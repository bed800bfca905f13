#include "simulator/rebased_history.h"

#include <algorithm>
#include <utility>

namespace finpipe {

RebasedHistory::RebasedHistory(std::shared_ptr<const LoopedTape> tape, Span span)
    : tape_(std::move(tape)), span_(span), position_(tape_->at(span.from_ns - span.start_ns)) {}

Result<FeedBatch> RebasedHistory::poll(std::size_t max_frames) {
  constexpr std::size_t kMostFrames = 4'096;  // bounds what is kept for reuse
  max_frames = std::min(max_frames, kMostFrames);
  if (rendered_.size() < max_frames) rendered_.resize(max_frames);
  frames_.clear();
  while (frames_.size() < max_frames && !exhausted()) {
    LoopedTape::Rendered& frame = rendered_[frames_.size()];
    tape_->render(position_.frame, tape_->rebased_shift_ms(position_, due_ns()), frame);
    frames_.push_back({.bytes = frame.text, .received_ns = due_ns(), .position = ++count_, .damage = {}});
    position_ = tape_->next(position_);
  }
  return FeedBatch{.frames = frames_, .end = false, .events = {}, .now_ns = {}};
}

std::optional<double> RebasedHistory::progress() const {
  if (exhausted()) return 1.0;
  const auto done = static_cast<double>(due_ns() - span_.from_ns);
  return std::clamp(done / static_cast<double>(span_.to_ns - span_.from_ns), 0.0, 1.0);
}

}  // namespace finpipe
