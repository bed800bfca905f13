// The live feed of an ingest in a simulation: the real connection state machine over a wire to the model vendor.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "codec/finnhub_frame.h"
#include "feeds/connection.h"
#include "feeds/frame_buffer.h"
#include "pipeline/ports.h"
#include "vendor.h"

namespace finpipe::simulation {

class LinkFeed final : public Feed {
 public:
  // `now_ms` is the true time.
  LinkFeed(Vendor& vendor, const std::int64_t& now_ms, Clock& clock, SessionClock& session_clock, Random& random,
           double time_scale);
  // The process is gone: the vendor notices, or believes for a while that it is still there.
  ~LinkFeed() override;
  LinkFeed(const LinkFeed&) = delete;
  LinkFeed& operator=(const LinkFeed&) = delete;

  [[nodiscard]] std::string_view origin() const override { return "vendor"; }
  [[nodiscard]] std::string_view source_id() const override { return ""; }
  [[nodiscard]] bool live() const override { return true; }
  [[nodiscard]] std::optional<double> progress() const override { return std::nullopt; }
  [[nodiscard]] Result<FeedBatch> poll(std::size_t max_frames) override;

  // Trades of the frames that were handed out since the last call, as numbers of the vendor's record.
  [[nodiscard]] std::vector<std::size_t> take_handed_out() { return std::exchange(handed_out_, {}); }
  [[nodiscard]] const Connection& connection() const { return connection_; }

 private:
  struct Attempt {
    std::int64_t at_ms;
    bool fails;
  };

  void receive();
  void finish_attempt();
  void end(net::ConnectionEnd::Kind kind, ErrorCode code, bool was_open, int status = 0);
  void perform();

  Vendor& vendor_;
  const std::int64_t& now_ms_;
  Clock& clock_;
  SessionClock& session_clock_;
  Random& random_;
  Connection connection_;
  FrameBuffer buffer_;
  FrameParser parser_;
  std::shared_ptr<Wire> wire_;
  std::optional<Attempt> attempt_;
  bool dropped_ = false;                            // by us; its end is to be told
  std::deque<std::vector<std::size_t>> in_buffer_;  // trades of each frame that waits
  std::vector<std::size_t> handed_out_;
};

}  // namespace finpipe::simulation
