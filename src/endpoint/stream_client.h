// One connection of the live stream. Inside endpoint/ only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "endpoint/stream.h"
#include "net/token_bucket.h"

namespace finpipe {

struct Streams::Subscription {
  enum class State : std::uint8_t {
    kWaiting,  // until the hub says that the snapshot may be read
    kReady,    // until the snapshot is read
    kLive,
  };

  StreamClient* client;
  StreamSeries series;
  std::int64_t snapshot;
  std::optional<std::int64_t> from_ms;
  State state = State::kLive;
  LiveHub::Watch watch = 0;
  // Held: to be sent later.
  std::map<std::int64_t, std::shared_ptr<const StreamRow>> bars{};  // by start
  std::deque<std::shared_ptr<const StreamRow>> trades{};
  std::int64_t dropped = 0;
  bool listed = false;  // among those of its client that hold something

  [[nodiscard]] std::size_t rows() const { return bars.size() + trades.size(); }
};

class StreamClient final : public net::WebSocketHandler {
 public:
  explicit StreamClient(Streams& streams);
  ~StreamClient() override;

  void on_open(net::WebSocketConnection& connection) override;
  void on_message(std::string_view message) override;
  void on_drained() override;
  void on_close() override { leave(); }

 private:
  friend class Streams;
  using Subscription = Streams::Subscription;

  // Whether updates may be sent now, and not held.
  [[nodiscard]] bool has_room() const { return !slow_ && !closing_; }
  void send(StreamChannel channel, std::shared_ptr<const std::string> text);
  void send_error(std::string_view message);
  // Ends the connection by a rule; `reason` is the metric's label.
  void disconnect(int code, std::string_view reason, std::string_view message);
  void leave();

  Streams& streams_;
  net::WebSocketConnection* connection_ = nullptr;
  net::TokenBucket messages_;
  std::map<StreamSeries, std::unique_ptr<Subscription>> subscriptions_;
  std::deque<Subscription*> ready_;    // snapshots to be read
  std::deque<Subscription*> holding_;  // live, with held rows
  std::size_t held_rows_ = 0;
  bool slow_ = false;     // too much is queued; until it is all sent
  bool closing_ = false;  // nothing more is sent
  bool in_turn_ = false;  // is among the ready clients
};

}  // namespace finpipe
