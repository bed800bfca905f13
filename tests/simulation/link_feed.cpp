#include "link_feed.h"

#include <algorithm>
#include <utility>

#include "base/time.h"

namespace finpipe::simulation {

LinkFeed::LinkFeed(Vendor& vendor, const std::int64_t& now_ms, Clock& clock, SessionClock& session_clock,
                   Random& random, double time_scale)
    : vendor_(vendor),
      now_ms_(now_ms),
      clock_(clock),
      session_clock_(session_clock),
      random_(random),
      connection_({.symbols = vendor.symbols(), .timers = {}, .time_scale = time_scale}, random) {}

LinkFeed::~LinkFeed() {
  if (wire_) wire_->vendor_ends_ms = std::min(wire_->vendor_ends_ms, now_ms_ + random_.between(0, 5'000));
}

Result<FeedBatch> LinkFeed::poll(std::size_t max_frames) {
  const std::int64_t now_ns = clock_.boot_ns();
  if (connection_.state() == Connection::State::kIdle) {
    connection_.start(now_ns);
    perform();
  }
  finish_attempt();
  receive();
  if (now_ns >= connection_.next_deadline_ns()) {
    connection_.tick(now_ns);
    perform();
  }
  if (std::exchange(dropped_, false)) {
    end(net::ConnectionEnd::Kind::kClosedByUs, ErrorCode::kConnectionLost, true);
  }
  FeedBatch batch = buffer_.take(max_frames, session_clock_.now_ns());
  for (std::size_t i = 0; i < batch.frames.size(); ++i) {
    handed_out_.insert(handed_out_.end(), in_buffer_.front().begin(), in_buffer_.front().end());
    in_buffer_.pop_front();
  }
  return batch;
}

void LinkFeed::finish_attempt() {
  if (!attempt_ || now_ms_ < attempt_->at_ms) return;
  const Attempt attempt = *std::exchange(attempt_, std::nullopt);
  if (attempt.fails) return end(net::ConnectionEnd::Kind::kNotConnected, ErrorCode::kConnectFailed, false);
  wire_ = vendor_.connect(now_ms_);
  if (!wire_) return end(net::ConnectionEnd::Kind::kUpgradeRefused, ErrorCode::kTooManyRequests, false, 429);
  connection_.opened(clock_.boot_ns());
  perform();
}

void LinkFeed::end(net::ConnectionEnd::Kind kind, ErrorCode code, bool was_open, int status) {
  wire_.reset();
  connection_.ended({.kind = kind, .error = {code, "simulated"}, .was_open = was_open, .status = status},
                    clock_.boot_ns());
  perform();
}

void LinkFeed::receive() {
  while (wire_ && !wire_->half_open && !wire_->to_host.empty() && wire_->to_host.front().at_ms <= now_ms_) {
    Wire::ToHost item = std::move(wire_->to_host.front());
    wire_->to_host.pop_front();
    switch (item.kind) {
      case Wire::ToHost::Kind::kEnd: return end(net::ConnectionEnd::Kind::kLost, ErrorCode::kConnectionLost, true);
      case Wire::ToHost::Kind::kPong: connection_.pong_received(clock_.boot_ns()); break;
      case Wire::ToHost::Kind::kFrame:
        buffer_.add_frame(item.text, session_clock_.now_ns());
        in_buffer_.push_back(std::move(item.trades));
        connection_.frame_received(clock_.boot_ns());
        if (!item.text.contains(R"("error")")) break;
        connection_.vendor_error(parser_.parse(item.text).message, clock_.boot_ns());
        perform();
    }
  }
}

void LinkFeed::perform() {
  while (auto action = connection_.next_action()) {
    switch (action->kind) {
      case ConnectionAction::Kind::kConnect:
        attempt_ = {now_ms_ + random_.between(20, 1'000), random_.chance(0.1)};
        break;
      case ConnectionAction::Kind::kSend:
        if (wire_) wire_->to_vendor.push_back({now_ms_ + wire_->latency_ms, std::move(action->text)});
        break;
      case ConnectionAction::Kind::kPing:
        if (wire_) wire_->to_vendor.push_back({now_ms_ + wire_->latency_ms, std::nullopt});
        break;
      case ConnectionAction::Kind::kDrop:
      case ConnectionAction::Kind::kClose:
        attempt_.reset();
        dropped_ = true;
        if (wire_ && !wire_->half_open) {
          wire_->vendor_ends_ms = std::min(wire_->vendor_ends_ms, now_ms_ + random_.between(0, 3'000));
        }
        break;
      case ConnectionAction::Kind::kTell:
        action->event.at_ns = session_clock_.now_ns();
        buffer_.add_event(std::move(action->event));
        break;
    }
  }
}

}  // namespace finpipe::simulation
