// The simulator's work, in one loop's thread: it answers requests, plays the tape, commits faults and keeps the record.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "endpoint/finnhub_ws.h"
#include "net/event_loop.h"
#include "net/http_server.h"
#include "simulator/player.h"
#include "simulator/record.h"
#include "simulator/simulator.h"

namespace finpipe {

class SimulatorSession final : public net::HttpHandler, private FinnhubSubscribers::Observer {
 public:
  SimulatorSession(net::EventLoop& loop, Clock& clock, const SimulatorOptions& options, SimulatorRecord record);

  // Begins to play and to commit faults.
  void begin();
  // Commits a fault; how many connections it met, of a refusal how many upgrades will.
  std::int64_t commit(const Fault& fault);

  [[nodiscard]] net::HttpResponse handle(const net::HttpRequest& request) override;
  [[nodiscard]] net::Upgrade upgrade(const net::HttpRequest& request) override;

 private:
  using ConnectionId = FinnhubSubscribers::ConnectionId;
  // What is known of a connection besides its subscriptions.
  struct Peer {
    explicit Peer(net::EventLoop& loop) : timer(loop) {}
    std::int64_t opened_ns = 0;
    std::string_view end_reason = "ended by the client";
    FinnhubSubscribers::Frame last_frame;
    std::size_t last_trades = 0;
    bool muted = false;
    bool half_open = false;
    net::Timer timer;  // ends what mutes it
  };

  void on_open(ConnectionId id) override;
  void on_close(ConnectionId id) override;
  void on_subscribe(ConnectionId id, std::string_view symbol) override;
  void on_unsubscribe(ConnectionId id, std::string_view symbol) override;
  void on_trades(ConnectionId id, const FinnhubSubscribers::Frame& frame, std::size_t trades) override;
  void on_dropped(ConnectionId id) override;

  // Plays what is due and sets the timer for what follows.
  void play();
  void deliver(const LoopedTape::Rendered& frame);
  // The instant up to which frames are due, with the delay that is simulated.
  [[nodiscard]] std::int64_t play_time_ns();
  void schedule_fault();

  bool commit_on(ConnectionId id, Peer& peer, const Fault& fault);
  void end(ConnectionId id, Peer& peer, const Fault& fault);
  void silence(ConnectionId id, Peer& peer, const Fault& fault);
  [[nodiscard]] bool send_again(ConnectionId id, Peer& peer);
  void send_malformed(ConnectionId id, Malformed variant);
  void record(std::string_view event, ConnectionId id, std::string_view members = {});

  [[nodiscard]] std::optional<net::HttpResponse> refuse_control(const net::HttpRequest& request) const;
  [[nodiscard]] std::string status();

  net::EventLoop& loop_;
  SessionClock clock_;
  const SimulatorOptions& options_;
  SimulatorRecord record_;
  FinnhubSubscribers subscribers_;
  std::map<ConnectionId, Peer> peers_;

  std::optional<TapePlayer> player_;
  net::Timer play_timer_;
  std::int64_t played_to_ns_ = 0;
  std::int64_t delay_ns_ = 0;
  std::int64_t delay_until_ns_ = 0;

  std::optional<FaultSchedule> schedule_;
  net::Timer fault_timer_;
  Fault refusal_;  // of the next refusal_.count upgrades
  std::int64_t faults_ = 0;
  std::int64_t refused_ = 0;
};

}  // namespace finpipe
