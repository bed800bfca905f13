#include "feeds/frame_buffer.h"

#include <algorithm>
#include <utility>

#include "codec/finnhub_frame.h"

namespace finpipe {
namespace {

constexpr std::size_t kFrameCostBytes = 64;  // what a frame costs besides its text

}  // namespace

void FrameBuffer::add_frame(std::string_view frame, std::int64_t stamp_ns) {
  Received received{.begin = arena_begin_ + arena_.size(), .size = frame.size(), .stamp_ns = stamp_ns};
  if (frame.size() > kMaxFrameBytes) {
    received.damage = ErrorCode::kFrameTooLarge;
    received.size = kKeptFrameBytes;
  }
  arena_.insert(arena_.end(), frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(received.size));
  waiting_bytes_ += received.size + kFrameCostBytes;
  received_.push_back(received);
}

void FrameBuffer::add_event(FeedEvent event) {
  events_.push_back({std::move(event), next_position_ + static_cast<std::int64_t>(received_.size())});
}

std::string_view FrameBuffer::text(const Received& frame) const {
  return {arena_.data() + (frame.begin - arena_begin_), frame.size};
}

void FrameBuffer::reuse_arena() {
  const auto done = static_cast<std::size_t>(needed_begin_ - arena_begin_);
  // Moving what waits costs no more than what has been handed out since the last time.
  if (done < arena_.size() - done) return;
  arena_.erase(arena_.begin(), arena_.begin() + static_cast<std::ptrdiff_t>(done));
  arena_begin_ = needed_begin_;
}

FeedBatch FrameBuffer::take(std::size_t max_frames, std::int64_t now_ns) {
  reuse_arena();
  batch_frames_.clear();
  batch_events_.clear();
  const std::int64_t first = next_position_;
  const std::size_t count = std::min(max_frames, received_.size());
  for (std::size_t i = 0; i < count; ++i) {
    const Received& frame = received_[i];
    batch_frames_.push_back({text(frame), frame.stamp_ns, next_position_++, frame.damage});
    waiting_bytes_ -= frame.size + kFrameCostBytes;
    needed_begin_ = frame.begin + frame.size;
  }
  received_.erase(received_.begin(), received_.begin() + static_cast<std::ptrdiff_t>(count));
  while (!events_.empty() && events_.front().position <= next_position_) {
    Told& told = events_.front();
    told.event.before = static_cast<std::size_t>(told.position - first);
    batch_events_.push_back(std::move(told.event));
    events_.pop_front();
  }
  FeedBatch batch{batch_frames_, false, batch_events_};
  batch.now_ns = received_.empty() ? now_ns : received_.front().stamp_ns;
  return batch;
}

}  // namespace finpipe
