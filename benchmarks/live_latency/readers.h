// The clients, in a thread of their own, and what they saw.
//
// A bar says how many trades it holds, and the schedule says in which order the trades of a bar are sent. So the first
// update with n trades or more is the one by which the n-th trade of that bar arrived, and nothing has to be added to
// trades to find them again.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "live_latency/samples.h"
#include "live_latency/schedule.h"
#include "net/event_loop.h"
#include "net/websocket_client.h"

namespace finpipe::live_latency {

class LoopThread {
 public:
  LoopThread() : thread_([this] { loop_.run(); }) {}
  ~LoopThread() { stop(); }
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;

  [[nodiscard]] net::EventLoop& loop() { return loop_; }
  // Nothing runs in it any more.
  void stop();

 private:
  net::EventLoop loop_;
  std::thread thread_;
};

// Clients of /api/v1/stream that read 1s bars.
class BarReaders {
 public:
  struct Seen {
    Samples latency;                // of measured trades, from when they were due
    std::int64_t missing = 0;       // trades in no update
    std::int64_t updates = 0;       // messages
    std::int64_t disconnected = 0;  // clients
  };

  // `count` clients of `symbols_each` symbols: the first has the first ones, the second the next, and so on around.
  BarReaders(Clock& clock, std::uint16_t port, std::size_t count, std::size_t symbols, std::size_t symbols_each);
  ~BarReaders();
  BarReaders(const BarReaders&) = delete;
  BarReaders& operator=(const BarReaders&) = delete;

  // Every client has been told what there was before: from here on it is told of each change.
  [[nodiscard]] bool ready() const { return waiting_ == 0; }
  // What is going to come. Must outlive this object.
  void expect(const Schedule& schedule);
  // All that is expected has come.
  [[nodiscard]] bool complete() const { return outstanding_ == 0; }
  [[nodiscard]] Seen finish();

 private:
  class Reader;

  Clock& clock_;
  std::atomic<std::int64_t> waiting_;          // subscriptions without a snapshot
  std::atomic<std::int64_t> outstanding_ = 0;  // trades, of all readers
  std::vector<std::unique_ptr<Reader>> readers_;
  LoopThread thread_;
};

// A client of the vendor itself, for comparison: what the schedule, two sockets and two threads cost alone.
class DirectReader final : private net::WebSocketClient::Handler {
 public:
  DirectReader(Clock& clock, std::uint16_t vendor_port);
  ~DirectReader() override;
  DirectReader(const DirectReader&) = delete;
  DirectReader& operator=(const DirectReader&) = delete;

  void expect(const Schedule& schedule);
  [[nodiscard]] bool complete() const { return outstanding_ == 0; }
  [[nodiscard]] Samples finish();

 private:
  void on_open() override {}
  void on_message(std::string_view message) override;
  void on_pong() override {}
  void on_end(const net::ConnectionEnd& end) override;

  Clock& clock_;
  std::uint16_t port_;
  const Schedule* schedule_ = nullptr;
  std::size_t next_ = 0;  // frame
  Samples latency_;
  std::atomic<std::int64_t> outstanding_ = 0;  // frames
  std::unique_ptr<net::WebSocketClient> client_;
  LoopThread thread_;
};

}  // namespace finpipe::live_latency
