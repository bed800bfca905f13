// The server side of Finnhub's WebSocket protocol: who may connect, who wants which symbols, and trades on their way to
// those who want them, in frames as the vendor sends them. It knows nothing of where trades come from.
//
// It hangs on a net::HttpServer: give upgrade requests to `upgrade`. It must outlive that server. One loop's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "net/event_loop.h"
#include "net/http_server.h"

namespace finpipe {

// One trade of a frame: its symbol, and its JSON object as it stands in the frame.
struct TaggedTrade {
  std::string_view symbol;
  std::string_view json;
};

struct FinnhubServerOptions {
  std::vector<std::string> tokens;      // API keys that may connect; empty: everybody may, with a key or without
  bool one_connection_per_key = false;  // a second one is refused with 429 while the first is open
  std::size_t symbol_limit = 50;        // of one connection
  std::size_t max_trades_per_frame = 10;
  std::int64_t ping_interval_ms = 60'000;                           // {"type":"ping"}; 0: never
  std::size_t max_queued_bytes = std::size_t{8} << 20;              // of one connection; beyond, it is dropped
  std::optional<std::set<std::string, std::less<>>> known_symbols;  // others are answered with an error
};

// What became of an API key.
enum class KeyCheck : std::uint8_t { kGood, kMissing, kWrong };

class FinnhubSubscribers {
 public:
  using ConnectionId = std::int64_t;  // from 1, never used twice
  using Frame = std::shared_ptr<const std::string>;

  // Hears what happens to connections, as it happens and before the client can see it. Nothing here may change the
  // subscribers.
  class Observer {
   public:
    virtual ~Observer() = default;
    virtual void on_open(ConnectionId id) = 0;
    virtual void on_close(ConnectionId id) = 0;
    virtual void on_subscribe(ConnectionId id, std::string_view symbol) = 0;
    virtual void on_unsubscribe(ConnectionId id, std::string_view symbol) = 0;
    virtual void on_trades(ConnectionId id, const Frame& frame, std::size_t trades) = 0;
    virtual void on_dropped(ConnectionId id) = 0;  // it took too little of what was sent; on_close follows
  };

  // Since the start; all rise but `open` and `subscriptions`.
  struct Counts {
    std::int64_t open = 0;
    std::int64_t subscriptions = 0;
    std::int64_t opened = 0;
    std::int64_t unauthorized = 0;
    std::int64_t too_many_connections = 0;
    std::int64_t frames = 0;  // of trades
    std::int64_t trades = 0;
    std::int64_t errors = 0;   // error messages sent
    std::int64_t dropped = 0;  // connections that took too little
  };

  FinnhubSubscribers(net::EventLoop& loop, FinnhubServerOptions options, Observer* observer = nullptr);
  ~FinnhubSubscribers();
  FinnhubSubscribers(const FinnhubSubscribers&) = delete;
  FinnhubSubscribers& operator=(const FinnhubSubscribers&) = delete;

  // The key of a request is its query's `token`, or its header X-Finnhub-Token.
  [[nodiscard]] KeyCheck check_key(const net::HttpRequest& request) const;
  // Accepts a connection, or says as the vendor does why not.
  [[nodiscard]] net::Upgrade upgrade(const net::HttpRequest& request);

  // Sends each connection those of the trades whose symbols it wants, in their order.
  void publish(std::span<const TaggedTrade> trades);
  // Sends a frame of no symbol to every connection.
  void broadcast(const Frame& frame);

  // Nothing is sent to a muted connection, and what was not sent does not follow later.
  void mute(ConnectionId id, bool muted);
  // Whether somebody who is not muted wants some symbol.
  [[nodiscard]] bool has_listeners() const { return listeners_ > 0; }
  // The most that one unmuted connection has not taken yet.
  [[nodiscard]] std::size_t most_queued_bytes() const;
  [[nodiscard]] std::vector<ConnectionId> connections() const;  // in order of opening
  [[nodiscard]] std::vector<std::string> symbols_of(ConnectionId id) const;
  // For tests and simulations of broken servers; null when it has been closed.
  [[nodiscard]] net::WebSocketConnection* connection(ConnectionId id);
  [[nodiscard]] const Counts& counts() const { return counts_; }

 private:
  class Connection;
  // Those of a frame's trades that go to one group of connections, cut into frames.
  struct Selection {
    std::uint64_t wanted = 0;
    std::vector<Frame> frames;
    std::vector<std::size_t> trades;  // of each frame
  };

  void publish_part(std::span<const TaggedTrade> trades, std::span<const std::uint8_t> symbol_of);
  [[nodiscard]] Selection select(std::span<const TaggedTrade> trades, std::span<const std::uint8_t> symbol_of,
                                 std::uint64_t wanted) const;

  void opened(Connection& connection);
  void closed(Connection& connection);
  void answer(Connection& connection, std::string_view message);
  void subscribe(Connection& connection, std::string_view symbol);
  void unsubscribe(Connection& connection, std::string_view symbol);
  void say_error(Connection& connection, std::string_view message);
  [[nodiscard]] bool takes(Connection& connection, const Frame& frame);
  void send(Connection& connection, const Frame& frame);
  void drop_slow();
  void start_ping_timer();

  const FinnhubServerOptions options_;
  std::vector<std::string> key_hashes_;
  Observer* observer_;
  net::Timer ping_timer_;
  Counts counts_;
  ConnectionId last_id_ = 0;
  std::int64_t listeners_ = 0;
  std::map<ConnectionId, Connection*> connections_;
  std::map<std::string, std::int64_t, std::less<>> open_by_key_;
  std::map<std::string, std::unordered_set<Connection*>, std::less<>> subscribers_;
  // Used while publishing.
  std::vector<std::string_view> symbols_;
  std::vector<std::uint8_t> symbol_of_;
  std::vector<Connection*> touched_;
  std::vector<ConnectionId> slow_;
};

}  // namespace finpipe
