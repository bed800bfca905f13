// What a live feed has received and not yet handed out: frames and what happened to the connection, in one order. The
// bytes of a frame are copied once, into memory that is used again and again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "pipeline/ports.h"

namespace finpipe {

class FrameBuffer {
 public:
  // A frame above 1 MiB is kept as its first 64 KiB, with the damage kFrameTooLarge.
  void add_frame(std::string_view frame, std::int64_t stamp_ns);
  // Behind the frames added so far; sets `before` when it is handed out.
  void add_event(FeedEvent event);

  [[nodiscard]] bool empty() const { return received_.empty() && events_.empty(); }
  // Of the frames that wait, with what they cost besides their text.
  [[nodiscard]] std::size_t bytes() const { return waiting_bytes_; }

  // What came first, at most max_frames and the events up to there. It is valid until the next frame is added or the
  // next batch is taken. `now_ns` is the batch's time when nothing is left behind.
  [[nodiscard]] FeedBatch take(std::size_t max_frames, std::int64_t now_ns);

 private:
  struct Received {
    std::uint64_t begin = 0;  // among all bytes ever kept
    std::size_t size = 0;
    std::int64_t stamp_ns = 0;
    std::optional<ErrorCode> damage{};
  };
  struct Told {
    FeedEvent event;
    std::int64_t position = 0;  // of the frame that it came before
  };

  // Drops the bytes of earlier batches.
  void reuse_arena();
  [[nodiscard]] std::string_view text(const Received& frame) const;

  std::vector<char> arena_;
  std::uint64_t arena_begin_ = 0;   // of its first byte, among all bytes ever kept
  std::uint64_t needed_begin_ = 0;  // bytes before it have been handed out
  std::deque<Received> received_;
  std::deque<Told> events_;
  std::size_t waiting_bytes_ = 0;
  std::int64_t next_position_ = 1;  // of the next frame to hand out

  std::vector<FeedFrame> batch_frames_;
  std::vector<FeedEvent> batch_events_;
};

}  // namespace finpipe
