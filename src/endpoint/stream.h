// The live half of docs/api.md: clients subscribe to bars, trades and the status; each subscription gets one snapshot
// and then updates, with nothing missing between the two.
//
// An update is written once and its text shared by all who get it. A client that reads too slowly is not sent every
// step: what it misses is held for it, of a bar the newest version only, of trades the newest ones, and sent when it
// has read what is under way. Snapshots are read one a turn of the loop, so that no client waits for all of another's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "endpoint/live_hub.h"
#include "endpoint/stream_request.h"
#include "net/event_loop.h"
#include "net/http_server.h"
#include "pipeline/ports.h"
#include "telemetry/metrics.h"

namespace finpipe {

struct StreamLimits {
  std::size_t queued_bytes = std::size_t{1} << 20;   // waiting for a client: then rows are held back
  std::size_t subscriptions = 200;                   // of one client
  std::size_t message_bytes = std::size_t{4} << 10;  // from a client
  std::size_t held_trades = 1'000;      // of a slow client, a subscription; older ones are dropped and counted
  std::size_t waiting_trades = 10'000;  // likewise of one that waits for its snapshot
  std::size_t held_rows = 100'000;      // of one client; beyond, it is disconnected
  std::size_t message_rows = 2'000;     // of one update
  double messages_per_second = 20;      // from a client, on average,
  double message_burst = 400;           // and at once; beyond, it is disconnected
};

struct StreamParts {
  Query& query;
  LiveHub& hub;
  Metrics& metrics;
  Clock& clock;
  std::function<Result<std::string>()> status;     // STATUS of docs/api.md
  std::function<void(net::EventLoop::Call)> post;  // runs a call later, in this thread
};

// A row as its readers get it: a bar with its version, or a trade with its seq.
struct StreamRow {
  std::int64_t time_ms = 0;  // start, or event time
  std::int64_t number = 0;   // version, or seq
  std::string json{};
};
using StreamRows = std::vector<std::shared_ptr<const StreamRow>>;

class StreamClient;

// Used by one thread, the loop's. Must outlive its clients.
class Streams {
 public:
  explicit Streams(StreamParts parts, StreamLimits limits = {});
  ~Streams();
  Streams(const Streams&) = delete;
  Streams& operator=(const Streams&) = delete;

  // The handler of a connection that is being accepted.
  [[nodiscard]] std::unique_ptr<net::WebSocketHandler> new_client();
  // Sends on what the hub has. To be called when it wakes.
  void deliver();
  // To be called each second.
  void push_status();

 private:
  friend class StreamClient;
  struct Subscription;
  using Readers = std::vector<Subscription*>;
  struct Snapshot {
    StreamRows rows;
    std::set<std::pair<std::int64_t, std::int64_t>> trades;  // time and seq of those that the store has, as far as read
  };

  void subscribe(StreamClient& client, const StreamRequest& request);
  void unsubscribe(Subscription& subscription);

  void deliver_bars(std::span<const BarRow> rows);
  void deliver_trades(const LiveHub::Updates& updates);
  void deliver_rows(const StreamSeries& series, const Readers& readers, const StreamRows& rows, std::int64_t dropped);
  void hold(Subscription& subscription, const StreamRows& rows, std::int64_t dropped);
  void list(Subscription& subscription);
  void send_held(Subscription& subscription);

  void make_ready(Subscription& subscription);
  void schedule(StreamClient& client);
  void post_turn();
  void serve_next();
  void serve(Subscription& subscription);
  [[nodiscard]] Result<Snapshot> read_snapshot(const Subscription& subscription);
  [[nodiscard]] Result<void> read_bars(const Subscription& subscription, Snapshot& snapshot);
  [[nodiscard]] Result<void> read_trades(const Subscription& subscription, Snapshot& snapshot);
  static void forget(const Snapshot& snapshot, Subscription& subscription);

  StreamParts parts_;
  StreamLimits limits_;
  std::set<StreamClient*> clients_;
  std::map<StreamSeries, Readers> readers_;
  std::unordered_map<LiveHub::Watch, Subscription*> by_watch_;
  std::size_t subscriptions_ = 0;
  std::deque<StreamClient*> ready_;  // clients with snapshots to be read, in turn
  bool scheduled_ = false;
  std::shared_ptr<char> alive_ = std::make_shared<char>();  // calls that were posted look whether it is still there
};

}  // namespace finpipe
