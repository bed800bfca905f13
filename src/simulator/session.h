// The simulator's work, in one loop's thread: it answers requests, plays the tape, commits faults and keeps the record.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "endpoint/finnhub_ws.h"
#include "net/event_loop.h"
#include "net/http_server.h"
#include "simulator/connection_faults.h"
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

  void record(std::string_view event, ConnectionId id, std::string_view members = {});

  [[nodiscard]] std::optional<net::HttpResponse> refuse_control(const net::HttpRequest& request) const;
  [[nodiscard]] std::string status();

  net::EventLoop& loop_;
  SessionClock clock_;
  const SimulatorOptions& options_;
  SimulatorRecord record_;
  FinnhubSubscribers subscribers_;
  ConnectionFaults faults_;

  std::optional<TapePlayer> player_;
  net::Timer play_timer_;
  std::int64_t played_to_ns_ = 0;
  std::int64_t delay_ns_ = 0;
  std::int64_t delay_until_ns_ = 0;

  std::optional<FaultSchedule> schedule_;
  net::Timer fault_timer_;
  std::int64_t refused_ = 0;
};

}  // namespace finpipe
