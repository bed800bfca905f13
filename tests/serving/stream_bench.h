// The live stream with everything around it in the test's hands: the processor's side of the hub, the store, the turns
// of the loop, and connections whose other end reads when it is told to.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "endpoint/stream.h"
#include "stores/memory_store.h"

namespace finpipe {

// A connection as the server gives it to a handler. What is sent stays queued until the other end reads.
class ScriptedConnection final : public net::WebSocketConnection {
 public:
  explicit ScriptedConnection(std::unique_ptr<net::WebSocketHandler> handler) : handler_(std::move(handler)) {
    handler_->on_open(*this);
  }
  ~ScriptedConnection() override { leave(); }

  void send(std::shared_ptr<const std::string> message) override {
    if (close_code != 0) return;
    queued_ += message->size();
    queue_.push_back(std::move(message));
  }
  [[nodiscard]] std::size_t queued_bytes() const override { return queued_; }
  void close(int code, std::string_view) override { close_code = code; }
  void abort() override { close_code = 1006; }
  void send_raw(std::string) override { ADD_FAILURE() << "raw bytes"; }
  void pause_reading(bool) override { ADD_FAILURE() << "paused"; }
  [[nodiscard]] std::string_view remote() const override { return "127.0.0.1"; }

  void say(std::string_view message) { handler_->on_message(message); }
  // Reads everything that is queued, and what follows from that, until nothing comes.
  std::vector<std::shared_ptr<const std::string>> read() {
    std::vector<std::shared_ptr<const std::string>> seen;
    while (!queue_.empty()) {
      for (; !queue_.empty(); queue_.pop_front()) seen.push_back(std::move(queue_.front()));
      queued_ = 0;
      handler_->on_drained();
    }
    return seen;
  }
  void leave() {
    if (std::exchange(left_, true)) return;
    handler_->on_close();
    handler_.reset();
  }

  int close_code = 0;  // 0: open

 private:
  std::unique_ptr<net::WebSocketHandler> handler_;
  std::deque<std::shared_ptr<const std::string>> queue_;
  std::size_t queued_ = 0;
  bool left_ = false;
};

// The store as the stream reads it; something may happen just before.
class InterruptedQuery final : public Query {
 public:
  explicit InterruptedQuery(Query& query) : query_(query) {}

  Result<std::vector<SymbolRow>> symbols() override { return query_.symbols(); }
  Result<std::vector<CheckpointRow>> checkpoints() override { return query_.checkpoints(); }
  Result<void> bars(const BarRange& range, const std::function<bool(const BarRow&)>& visit, Order order) override {
    before_read();
    return query_.bars(range, visit, order);
  }
  Result<void> revisions(const BarRange& range, const std::function<bool(const RevisionRow&)>& visit) override {
    return query_.revisions(range, visit);
  }
  Result<void> ticks(const TickRange& range, const std::function<bool(const Tick&)>& visit, Order order) override {
    before_read();
    return query_.ticks(range, visit, order);
  }
  Result<std::vector<SpanRow>> spans() override { return query_.spans(); }
  Result<std::vector<VoidRow>> voids() override { return query_.voids(); }
  Result<std::optional<PolicyRow>> policy(std::string_view hash) override { return query_.policy(hash); }

  std::function<void()> before_read = [] {};

 private:
  Query& query_;
};

struct StreamBench {
  explicit StreamBench(std::int32_t partitions = 1, StreamLimits limits = {}, LiveHubLimits hub_limits = {})
      : hub(partitions, hub_limits),
        streams(StreamParts{.query = query,
                            .hub = hub,
                            .metrics = metrics,
                            .clock = clock,
                            .status = [this]() -> Result<std::string> { return status; },
                            .post = [this](net::EventLoop::Call call) { turns.push_back(std::move(call)); }},
                limits) {
    hub.set_wake([this] { turns.push_back([this] { streams.deliver(); }); });
  }

  [[nodiscard]] std::unique_ptr<ScriptedConnection> connect() {
    return std::make_unique<ScriptedConnection>(streams.new_client());
  }
  // One turn of the loop; false when there is nothing to do.
  bool turn() {
    if (turns.empty()) return false;
    auto call = std::move(turns.front());
    turns.pop_front();
    call();
    return true;
  }
  void run() {
    while (turn()) continue;
  }

  MemoryStore store;
  InterruptedQuery query{store};
  Metrics metrics;
  ManualClock clock{1'785'000'000'000'000'000};
  std::string status = "{}";
  std::deque<net::EventLoop::Call> turns;
  LiveHub hub;
  Streams streams;
};

}  // namespace finpipe
