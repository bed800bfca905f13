// A client of a pipeline's live stream (/api/v1/stream) that watches the 1s bars of a load's symbols, in a thread of
// its own. It connects again when the connection ends, until it is destroyed.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "load/bar_expectations.h"
#include "load/run.h"
#include "net/event_loop.h"
#include "net/url.h"
#include "net/websocket_client.h"

namespace finpipe {

class StreamReader final : private net::WebSocketClient::Handler {
 public:
  // What one connection of the stream takes.
  static constexpr std::size_t kMaxSymbols = 200;

  // `tls` of a wss: URL. At most kMaxSymbols symbols.
  StreamReader(const net::Url& url, std::shared_ptr<net::TlsContext> tls, std::vector<std::string> symbols,
               BarExpectations& expectations, CurrentRun& run, Clock& clock);
  ~StreamReader() override;
  StreamReader(const StreamReader&) = delete;
  StreamReader& operator=(const StreamReader&) = delete;

  // It is told of every change from here on.
  [[nodiscard]] bool ready() const { return snapshots_ == static_cast<std::int64_t>(symbols_.size()); }
  // Connections that were open and have ended.
  [[nodiscard]] std::int64_t lost_connections() const { return lost_; }
  // Why it is not connected, after it has tried.
  [[nodiscard]] std::string last_error() const;

 private:
  void connect();
  void on_open() override;
  void on_message(std::string_view message) override;
  void on_pong() override {}
  void on_end(const net::ConnectionEnd& end) override;
  void take_update(std::string_view message);

  const net::WebSocketClientOptions options_;
  const std::vector<std::string> symbols_;
  BarExpectations& expectations_;
  CurrentRun& run_;
  Clock& clock_;
  std::vector<std::int64_t> due_ns_;
  std::atomic<std::int64_t> snapshots_ = 0;
  std::atomic<std::int64_t> lost_ = 0;
  mutable std::mutex mutex_;
  std::string last_error_;

  net::EventLoop loop_;
  std::unique_ptr<net::Timer> retry_;
  std::unique_ptr<net::WebSocketClient> client_;
  std::thread thread_;
};

}  // namespace finpipe
