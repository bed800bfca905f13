#include "simulator/player.h"

#include <utility>

namespace finpipe {
namespace {

// Exact where the factor is 1.
std::int64_t scaled(std::int64_t ns, double factor) {
  return factor == 1 ? ns : static_cast<std::int64_t>(static_cast<double>(ns) * factor);
}

}  // namespace

TapePlayer::TapePlayer(std::shared_ptr<const LoopedTape> tape, PlayOptions options, std::int64_t start_ns,
                       std::int64_t now_ns)
    : tape_(std::move(tape)), options_(options), start_ns_(start_ns) {
  if (options_.loop && !full_speed() && now_ns > start_ns_) position_ = position_at(now_ns);
}

LoopedTape::Position TapePlayer::position_at(std::int64_t now_ns) const {
  return tape_->at(scaled(now_ns - start_ns_, options_.speed));
}

std::int64_t TapePlayer::due_ns() const { return start_ns_ + scaled(tape_->due_ns(position_), 1 / options_.speed); }

std::optional<std::int64_t> TapePlayer::next_due_ns() const {
  if (ended() || full_speed()) return std::nullopt;
  return due_ns();
}

void TapePlayer::skip_late(std::int64_t now_ns) {
  if (full_speed() || ended() || due_ns() >= now_ns - kMaxLateNs) return;
  const LoopedTape::Position from = position_;
  position_ = position_at(now_ns);
  if (ended()) position_ = {1, 0};
  skipped_frames_ += (position_.loop - from.loop) * static_cast<std::int64_t>(tape_->frames()) +
                     static_cast<std::int64_t>(position_.frame) - static_cast<std::int64_t>(from.frame);
}

bool TapePlayer::play(std::int64_t now_ns, std::size_t max_frames,
                      const std::function<void(const LoopedTape::Rendered&)>& deliver) {
  skip_late(now_ns);
  for (std::size_t played = 0; !ended() && (full_speed() || due_ns() <= now_ns); ++played) {
    if (played == max_frames) return true;
    const std::int64_t shift_ms = options_.rebase ? tape_->rebased_shift_ms(position_, full_speed() ? now_ns : due_ns())
                                                  : tape_->recorded_shift_ms(position_);
    tape_->render(position_.frame, shift_ms, rendered_);
    position_ = tape_->next(position_);
    deliver(rendered_);
  }
  return false;
}

}  // namespace finpipe
