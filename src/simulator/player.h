// Which frames of a tape are due, at recorded, scaled or full speed, once or again and again. Pure: time comes in,
// frames go out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "simulator/looped_tape.h"

namespace finpipe {

struct PlayOptions {
  double speed = 1;  // times recorded speed; 0: full, each frame is due as soon as it is asked for
  bool loop = false;
  bool rebase = false;  // event times as LoopedTape::rebased_shift_ms has them; else as recorded
};

class TapePlayer {
 public:
  // What is late by more is passed over: a host that was suspended does not send hours at once.
  static constexpr std::int64_t kMaxLateNs = 10'000'000'000;

  // Loop 0 begins at start_ns. A looped tape that began before `now` goes on from where it would be.
  TapePlayer(std::shared_ptr<const LoopedTape> tape, PlayOptions options, std::int64_t start_ns, std::int64_t now_ns);

  // Gives `deliver` the frames that are due, at most so many; whether more are.
  bool play(std::int64_t now_ns, std::size_t max_frames,
            const std::function<void(const LoopedTape::Rendered&)>& deliver);
  // When the next frame is due; nullopt: never, or at full speed.
  [[nodiscard]] std::optional<std::int64_t> next_due_ns() const;
  [[nodiscard]] bool ended() const { return !options_.loop && position_.loop > 0; }
  [[nodiscard]] LoopedTape::Position position() const { return position_; }
  [[nodiscard]] std::int64_t skipped_frames() const { return skipped_frames_; }

 private:
  [[nodiscard]] bool full_speed() const { return options_.speed <= 0; }
  [[nodiscard]] std::int64_t due_ns() const;
  [[nodiscard]] LoopedTape::Position position_at(std::int64_t now_ns) const;
  void skip_late(std::int64_t now_ns);

  std::shared_ptr<const LoopedTape> tape_;
  PlayOptions options_;
  std::int64_t start_ns_;
  LoopedTape::Position position_;
  std::int64_t skipped_frames_ = 0;
  LoopedTape::Rendered rendered_;
};

}  // namespace finpipe
