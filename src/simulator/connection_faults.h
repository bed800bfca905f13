// Does to a vendor's connections what a fault says, and keeps of each connection what that needs. What a delay means is
// for whoever sends: here it only tells whom it met. One loop's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "endpoint/finnhub_ws.h"
#include "net/event_loop.h"
#include "net/http_server.h"
#include "simulator/faults.h"

namespace finpipe {

class ConnectionFaults {
 public:
  using ConnectionId = FinnhubSubscribers::ConnectionId;
  // Hears of what is done to a connection (0: to none): an event, and JSON members.
  using Tell = std::function<void(std::string_view event, ConnectionId id, std::string_view members)>;
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

  // `resumed`: a connection takes trades again. Nothing is called after the destructor.
  ConnectionFaults(net::EventLoop& loop, FinnhubSubscribers& subscribers, Tell tell, std::function<void()> resumed);

  // What the subscribers' observer hears; all of it has to be told.
  void opened(ConnectionId id, std::int64_t now_ns);
  // Why it ended.
  [[nodiscard]] std::string_view closed(ConnectionId id);
  void sent(ConnectionId id, const FinnhubSubscribers::Frame& frame, std::size_t trades);
  void dropped(ConnectionId id);

  // Commits a fault; how many connections it met, of a refusal how many upgrades will. `now_ms` is a trade's time.
  std::int64_t commit(const Fault& fault, std::int64_t now_ms);
  // The answer to an upgrade that is to be refused; nullopt: it is not.
  [[nodiscard]] std::optional<net::Upgrade> refuse();

  [[nodiscard]] const std::map<ConnectionId, Peer>& peers() const { return peers_; }
  [[nodiscard]] std::int64_t committed() const { return committed_; }
  [[nodiscard]] std::int64_t refusals_left() const { return refusal_.count; }

 private:
  bool commit_on(ConnectionId id, Peer& peer, const Fault& fault, std::int64_t now_ms);
  void end(ConnectionId id, Peer& peer, const Fault& fault);
  void silence(ConnectionId id, Peer& peer, const Fault& fault);
  [[nodiscard]] bool send_again(ConnectionId id, Peer& peer);
  void send_malformed(ConnectionId id, Malformed variant, std::int64_t now_ms);

  net::EventLoop& loop_;
  FinnhubSubscribers& subscribers_;
  const Tell tell_;
  const std::function<void()> resumed_;
  std::map<ConnectionId, Peer> peers_;
  Fault refusal_{.count = 0};  // of the next refusal_.count upgrades
  std::int64_t committed_ = 0;
};

}  // namespace finpipe
