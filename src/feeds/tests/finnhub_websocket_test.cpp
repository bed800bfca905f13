#include "feeds/finnhub_websocket.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/time.h"
#include "net/event_loop.h"
#include "net/http_server.h"
#include "net/tls.h"
#include "net/url.h"

namespace finpipe {
namespace {

using Event = FeedEvent::Kind;

constexpr std::int64_t kPatienceNs = 20 * kNsPerSecond;
constexpr std::size_t kAll = 1'000'000;

// A vendor on a free port, in a thread of its own.
class Vendor final : public net::HttpHandler {
 public:
  explicit Vendor(std::shared_ptr<net::TlsContext> tls = nullptr) {
    net::HttpServerOptions options;
    options.tls = std::move(tls);
    options.ping_interval_ms = 0;
    auto server = net::HttpServer::listen(loop_, options, *this);
    EXPECT_TRUE(server) << server.error().message();
    server_ = *std::move(server);
    thread_ = std::jthread([this] { loop_.run(); });
  }
  ~Vendor() override {
    loop_.stop();
    thread_.join();
  }

  [[nodiscard]] std::uint16_t port() const { return server_->port(); }

  // Answers to the next requests, instead of an open connection.
  void refuse_next(net::HttpResponse answer) {
    const std::scoped_lock lock(mutex_);
    refusals_.push_back(std::move(answer));
  }
  void send(std::string text) {
    with_connection([text = std::move(text)](net::WebSocketConnection& connection) {
      connection.send(std::make_shared<const std::string>(text));
    });
  }
  // Does it with the connection: the one there is, or the next one.
  void with_connection(std::move_only_function<void(net::WebSocketConnection&)> call) {
    loop_.post([this, call = std::move(call)]() mutable {
      if (connection_ == nullptr) {
        waiting_.push_back(std::move(call));
      } else {
        call(*connection_);
      }
    });
  }
  void close(int code, std::string reason) {
    with_connection([this, code, reason = std::move(reason)](net::WebSocketConnection& connection) {
      connection_ = nullptr;
      connection.close(code, reason);
    });
  }
  void abort() {
    with_connection([this](net::WebSocketConnection& connection) {
      connection_ = nullptr;
      connection.abort();
    });
  }
  // 0 when there is no connection.
  [[nodiscard]] std::size_t queued_bytes() {
    std::promise<std::size_t> queued;
    loop_.post([&] { queued.set_value(connection_ == nullptr ? 0 : connection_->queued_bytes()); });
    return queued.get_future().get();
  }

  [[nodiscard]] std::vector<std::string> targets() const { return copy(targets_); }
  [[nodiscard]] std::vector<std::string> messages() const { return copy(messages_); }
  [[nodiscard]] int closed() const {
    const std::scoped_lock lock(mutex_);
    return closed_;
  }

 private:
  class Client final : public net::WebSocketHandler {
   public:
    explicit Client(Vendor& vendor) : vendor_(vendor) {}
    void on_open(net::WebSocketConnection& connection) override {
      connection_ = &connection;
      vendor_.connection_ = connection_;
      for (auto& call : std::exchange(vendor_.waiting_, {})) call(connection);
    }
    void on_message(std::string_view message) override {
      const std::scoped_lock lock(vendor_.mutex_);
      vendor_.messages_.emplace_back(message);
    }
    void on_drained() override {}
    void on_close() override {
      // The next connection may be there before the end of this one is known.
      if (vendor_.connection_ == connection_) vendor_.connection_ = nullptr;
      const std::scoped_lock lock(vendor_.mutex_);
      ++vendor_.closed_;
    }

   private:
    Vendor& vendor_;
    net::WebSocketConnection* connection_ = nullptr;
  };

  [[nodiscard]] net::HttpResponse handle(const net::HttpRequest&) override { return {.status = 404}; }
  [[nodiscard]] net::Upgrade upgrade(const net::HttpRequest& request) override {
    const std::scoped_lock lock(mutex_);
    targets_.emplace_back(request.target);
    net::Upgrade answer;
    if (refusals_.empty()) {
      answer.handler = std::make_unique<Client>(*this);
    } else {
      answer.refusal = std::move(refusals_.front());
      refusals_.erase(refusals_.begin());
    }
    return answer;
  }

  [[nodiscard]] std::vector<std::string> copy(const std::vector<std::string>& texts) const {
    const std::scoped_lock lock(mutex_);
    return texts;
  }

  mutable std::mutex mutex_;
  std::vector<net::HttpResponse> refusals_;
  std::vector<std::string> targets_;
  std::vector<std::string> messages_;
  int closed_ = 0;

  // Of the loop's thread.
  net::WebSocketConnection* connection_ = nullptr;  // that is not being ended
  std::vector<std::move_only_function<void(net::WebSocketConnection&)>> waiting_;

  net::EventLoop loop_;
  std::unique_ptr<net::HttpServer> server_;
  std::jthread thread_;
};

net::HttpResponse answer(int status, std::string body) {
  net::HttpResponse made;
  made.status = status;
  made.body = std::move(body);
  return made;
}

// A frame that outlives its batch.
struct Got {
  std::string bytes;
  std::int64_t received_ns = 0;
  std::int64_t position = 0;
  std::optional<ErrorCode> damage;
};

class FinnhubWebSocketTest : public testing::Test {
 protected:
  FinnhubWebSocketOptions options(const Vendor& vendor) {
    FinnhubWebSocketOptions made;
    made.host = "127.0.0.1";
    made.port = vendor.port();
    made.token = "a secret/token&of=42";
    made.symbols = {"AAPL", "IC MARKETS:1"};
    made.time_scale = 0.02;
    made.connect_timeout_ms = 1'000'000;  // 20 s: a slow machine is no fault
    made.poll_wait_ms = 5;
    return made;
  }
  void start(FinnhubWebSocketOptions with) { feed_.emplace(std::move(with), clock_, session_, Random(1)); }
  FinnhubWebSocketFeed& feed() { return *feed_; }

  // Polls until `done`, or until the feed has failed.
  void poll_until(const std::function<bool()>& done, std::size_t max_frames = kAll) {
    const std::int64_t end_ns = clock_.boot_ns() + kPatienceNs;
    while (!done()) {
      ASSERT_LT(clock_.boot_ns(), end_ns) << "nothing more happens; " << feed_->status().text;
      auto batch = feed_->poll(max_frames);
      if (!batch) {
        failure_ = batch.error();
        return;
      }
      take(*batch);
    }
  }
  void take(const FeedBatch& batch) {
    EXPECT_TRUE(batch.now_ns);
    for (const FeedFrame& frame : batch.frames) {
      ASSERT_TRUE(frame.received_ns);
      EXPECT_LE(*frame.received_ns, session_.now_ns());
      frames_.push_back({std::string(frame.bytes), *frame.received_ns, frame.position, frame.damage});
    }
    for (const FeedEvent& event : batch.events) {
      EXPECT_LE(event.before, batch.frames.size());
      events_.push_back(event);
      events_.back().before += frames_.size() - batch.frames.size();
    }
    ended_ = batch.end;
  }
  void await_events(std::size_t count) {
    poll_until([&] { return events_.size() >= count; });
    ASSERT_GE(events_.size(), count);
  }
  void await_frames(std::size_t count) {
    poll_until([&] { return frames_.size() >= count; });
  }

  SystemClock clock_;
  SessionClock session_{clock_};
  std::optional<FinnhubWebSocketFeed> feed_;

  std::vector<Got> frames_;
  std::vector<FeedEvent> events_;  // `before`: index in frames_
  std::optional<Error> failure_;
  bool ended_ = false;
};

TEST_F(FinnhubWebSocketTest, SubscribesAndHandsFramesOutWithRisingStamps) {
  Vendor vendor;
  start(options(vendor));
  EXPECT_EQ(feed().origin(), "vendor");
  EXPECT_TRUE(feed().live());
  await_events(1);
  EXPECT_EQ(events_[0].kind, Event::kSubscribed);
  EXPECT_EQ(events_[0].symbols, (std::vector<std::string>{"AAPL", "IC MARKETS:1"}));
  poll_until([&] { return vendor.messages().size() == 2; });
  EXPECT_EQ(vendor.messages()[0], R"({"type":"subscribe","symbol":"AAPL"})");
  EXPECT_EQ(vendor.messages()[1], R"({"type":"subscribe","symbol":"IC MARKETS:1"})");

  for (int i = 0; i < 1'000; ++i) vendor.send(fmt::format(R"({{"data":[{}],"type":"trade"}})", i));
  poll_until([&] { return frames_.size() >= 1'000; }, 7);
  std::int64_t last_ns = events_[0].at_ns;
  for (std::size_t i = 0; i < frames_.size(); ++i) {
    EXPECT_EQ(frames_[i].bytes, fmt::format(R"({{"data":[{}],"type":"trade"}})", i));
    EXPECT_EQ(frames_[i].position, static_cast<std::int64_t>(i) + 1);
    EXPECT_GE(frames_[i].received_ns, last_ns);
    last_ns = frames_[i].received_ns;
  }
  EXPECT_EQ(feed().status().state, Connection::State::kOpen);
  EXPECT_EQ(feed().status().text, "connected, 2 symbols subscribed");
}

TEST_F(FinnhubWebSocketTest, TheTokenIsInTheRequestAndNowhereElse) {
  Vendor vendor;
  auto with = options(vendor);
  with.time_scale = 0.01;
  with.base_path = "/finnhub/ws?v=1";
  const std::string token = with.token;
  const std::string encoded = net::percent_encode(token);
  const std::string echo = fmt::format("no {0} or {1}: GET /?token={1}", token, encoded);
  vendor.refuse_next(answer(500, echo));
  vendor.refuse_next(answer(524, std::string(180, ' ') + echo));
  vendor.refuse_next(answer(429, echo));

  testing::internal::CaptureStderr();
  start(std::move(with));
  std::vector<std::string> texts;
  const auto look = [&] {
    texts.push_back(feed().status().text);
    texts.push_back(feed().status().last_error);
  };
  poll_until([&] { return look(), events_.size() >= 2; });
  vendor.send(fmt::format(R"({{"msg":"Bad token {}","type":"error"}})", token));
  await_frames(1);
  look();
  vendor.refuse_next(answer(401, echo));
  vendor.close(1'001, token);
  poll_until([&] { return failure_.has_value(); });
  look();
  texts.push_back(testing::internal::GetCapturedStderr());

  ASSERT_EQ(vendor.targets().size(), 5);
  for (const std::string& target : vendor.targets()) EXPECT_EQ(target, "/finnhub/ws?v=1&token=" + encoded);
  ASSERT_TRUE(failure_);
  texts.push_back(failure_->message());
  for (const FeedEvent& event : events_) texts.push_back(event.detail);
  for (const std::string& text : texts) {
    EXPECT_EQ(text.find(token), std::string::npos) << text;
    EXPECT_EQ(text.find(encoded), std::string::npos) << text;
  }
  EXPECT_NE(texts.at(texts.size() - events_.size() - 2).find("feed cannot connect"), std::string::npos);
}

TEST_F(FinnhubWebSocketTest, ConnectsAgainWhenTheServerGoes) {
  Vendor vendor;
  start(options(vendor));
  await_events(1);
  vendor.send("1");
  await_frames(1);
  vendor.close(1'001, "restart");
  await_events(3);
  vendor.send("2");
  await_frames(2);
  vendor.abort();
  await_events(5);

  const Event expected[] = {Event::kSubscribed, Event::kDisconnected, Event::kSubscribed, Event::kDisconnected,
                            Event::kSubscribed};
  const std::size_t before[] = {0, 1, 1, 2, 2};
  ASSERT_EQ(events_.size(), 5);
  for (std::size_t i = 0; i < events_.size(); ++i) {
    EXPECT_EQ(events_[i].kind, expected[i]) << i;
    EXPECT_EQ(events_[i].before, before[i]) << i;
    EXPECT_GE(events_[i].at_ns, events_[i - std::min<std::size_t>(i, 1)].at_ns);
  }
  EXPECT_NE(events_[1].detail.find("1001"), std::string::npos) << events_[1].detail;
  poll_until([&] { return vendor.messages().size() == 6; });
}

TEST_F(FinnhubWebSocketTest, ASilentServerIsGivenUpAndAskedAgain) {
  Vendor vendor;
  auto with = options(vendor);
  with.time_scale = 0.005;
  start(std::move(with));
  await_events(1);
  vendor.with_connection([](net::WebSocketConnection& connection) { connection.pause_reading(true); });
  await_events(3);
  // Which of the two depends on whether a ping had been answered by then.
  EXPECT_TRUE(events_[1].kind == Event::kStalled || events_[1].detail.contains("half-open")) << events_[1].detail;
  EXPECT_EQ(events_[2].kind, Event::kSubscribed);
}

TEST_F(FinnhubWebSocketTest, TooManyConnectionsIsWaitedFor) {
  Vendor vendor;
  vendor.refuse_next(answer(429, {}));
  start(options(vendor));
  await_events(1);
  EXPECT_EQ(events_[0].kind, Event::kDisconnected);
  EXPECT_EQ(feed().status().text, "429: waiting 1.5 s; the vendor allows one connection a key");
  EXPECT_EQ(feed().status().attempt, 1);
  const std::int64_t refused_ns = events_[0].at_ns;
  await_events(2);
  EXPECT_EQ(events_[1].kind, Event::kSubscribed);
  EXPECT_GE(events_[1].at_ns - refused_ns, 1'500'000'000);
}

TEST_F(FinnhubWebSocketTest, ARefusedKeyIsAnErrorOnceWhatCameBeforeIsHandedOut) {
  Vendor vendor;
  vendor.refuse_next(answer(401, R"({"error":"Invalid API key."})"));
  start(options(vendor));
  poll_until([&] { return failure_.has_value(); });
  ASSERT_TRUE(failure_);
  EXPECT_EQ(failure_->code, ErrorCode::kUnauthorized);
  ASSERT_EQ(events_.size(), 1);
  EXPECT_EQ(events_[0].kind, Event::kDisconnected);
  EXPECT_EQ(feed().status().state, Connection::State::kFailed);
  EXPECT_FALSE(feed().poll(kAll)) << "it stays failed";
  EXPECT_EQ(vendor.targets().size(), 1);
}

TEST_F(FinnhubWebSocketTest, RefusedSymbolsAreToldBetweenTheFrames) {
  Vendor vendor;
  start(options(vendor));
  await_events(1);
  vendor.send(R"({"type":"ping"})");
  vendor.send(R"({"msg":"Invalid symbol IC MARKETS:1","type":"error"})");
  vendor.send(R"({"data":[{"c":["error"],"p":1,"s":"\"error\"","t":1,"v":1}],"type":"trade"})");
  await_frames(3);
  await_events(2);
  EXPECT_EQ(events_[1].kind, Event::kRefused);
  EXPECT_EQ(events_[1].symbols, std::vector<std::string>{"IC MARKETS:1"});
  EXPECT_EQ(events_[1].before, 2);
  EXPECT_EQ(feed().status().refused_symbols, std::vector<std::string>{"IC MARKETS:1"});
}

TEST_F(FinnhubWebSocketTest, ReadingPausesWhenTooMuchWaitsToBePolled) {
  constexpr std::size_t kFrameBytes = 8'000;
  constexpr std::size_t kFrames = 1'000;
  constexpr std::size_t kBound = std::size_t{256} << 10;
  Vendor vendor;
  auto with = options(vendor);
  with.max_buffer_bytes = kBound;
  start(std::move(with));
  await_events(1);
  for (std::size_t i = 0; i < kFrames; ++i) vendor.send(fmt::format("{:0{}}", i, kFrameBytes));
  // More than the bound has gone to the system, and would be here by now if it were read.
  const std::size_t all = kFrames * kFrameBytes;
  poll_until(
      [&, started = false]() mutable {
        const std::size_t queued = vendor.queued_bytes();
        started = started || queued > 0;
        return started && queued < all - (std::size_t{1} << 20);
      },
      0);
  for (int i = 0; i < 100; ++i) take(*feed().poll(0));
  take(*feed().poll(kAll));
  EXPECT_LE(frames_.size() * kFrameBytes, kBound + kFrameBytes);

  await_frames(kFrames);
  ASSERT_EQ(frames_.size(), kFrames);
  for (std::size_t i = 0; i < kFrames; ++i) ASSERT_EQ(frames_[i].bytes, fmt::format("{:0{}}", i, kFrameBytes));
}

TEST_F(FinnhubWebSocketTest, AFrameThatIsTooLargeIsDamagedAndTheRestGoesOn) {
  Vendor vendor;
  start(options(vendor));
  await_events(1);
  vendor.send(std::string(kMaxFrameBytes + 1, 'x'));
  vendor.send("next");
  await_frames(2);
  ASSERT_EQ(frames_.size(), 2);
  EXPECT_EQ(frames_[0].damage, ErrorCode::kFrameTooLarge);
  EXPECT_EQ(frames_[0].bytes.size(), std::size_t{64} << 10);
  EXPECT_EQ(frames_[1].bytes, "next");
  EXPECT_EQ(events_.size(), 1);
}

TEST_F(FinnhubWebSocketTest, AMessageBeyondTheClientsLimitEndsTheConnection) {
  Vendor vendor;
  start(options(vendor));
  await_events(1);
  vendor.send(std::string((std::size_t{4} << 20) + 1, 'x'));
  await_events(3);
  EXPECT_EQ(events_[1].kind, Event::kDisconnected);
  EXPECT_TRUE(events_[1].detail.starts_with("protocol_error")) << events_[1].detail;
  EXPECT_EQ(events_[2].kind, Event::kSubscribed);
}

TEST_F(FinnhubWebSocketTest, ClosingIsPoliteAndWhatCameBeforeCanStillBePolled) {
  Vendor vendor;
  start(options(vendor));
  await_events(1);
  vendor.send("1");
  // While a frame waits, its stamp is the time of the batches.
  std::optional<std::int64_t> last_ns;
  poll_until(
      [&] {
        const std::optional<std::int64_t> now_ns = feed().poll(0)->now_ns;
        return std::exchange(last_ns, now_ns) == now_ns;
      },
      0);
  ASSERT_TRUE(frames_.empty());
  feed().close();
  EXPECT_EQ(feed().status().state, Connection::State::kStopped) << "the vendor answered in time";
  poll_until([&] { return ended_; }, 1);
  ASSERT_EQ(frames_.size(), 1);
  EXPECT_EQ(frames_[0].bytes, "1");
  const std::int64_t end_ns = clock_.boot_ns() + kPatienceNs;
  while (vendor.closed() == 0 && clock_.boot_ns() < end_ns) std::this_thread::yield();
  EXPECT_EQ(vendor.closed(), 1);
  EXPECT_EQ(events_.size(), 1) << "an end that was asked for is no outage";
}

TEST_F(FinnhubWebSocketTest, ItsStatusCanBeReadByAnotherThread) {
  Vendor vendor;
  start(options(vendor));
  std::jthread reader([this](const std::stop_token& stop) {
    while (!stop.stop_requested()) EXPECT_FALSE(feed().status().text.empty());
  });
  await_events(1);
  vendor.abort();
  await_events(3);
}

TEST_F(FinnhubWebSocketTest, OnlyACertificateOfATrustedAuthorityIsAccepted) {
  const std::string names[] = {"127.0.0.1"};
  const auto certificate = net::generate_certificate(names, 2);
  ASSERT_TRUE(certificate);
  const auto server_tls = net::TlsContext::server(
      {.certificate_pem = certificate->certificate_pem, .key_pem = certificate->key_pem, .client_ca_pem = {}});
  ASSERT_TRUE(server_tls);
  Vendor vendor(*server_tls);

  const auto trusting = net::TlsContext::client({.ca_pem = certificate->ca_pem, .certificate_pem = {}, .key_pem = {}});
  ASSERT_TRUE(trusting);
  auto with = options(vendor);
  with.tls = *trusting;
  with.origin = "demo";
  start(with);
  EXPECT_EQ(feed().origin(), "demo");
  await_events(1);
  vendor.send("over TLS");
  await_frames(1);
  EXPECT_EQ(events_[0].kind, Event::kSubscribed);

  const auto other = net::generate_certificate(names, 2);
  ASSERT_TRUE(other);
  const auto strange = net::TlsContext::client({.ca_pem = other->ca_pem, .certificate_pem = {}, .key_pem = {}});
  ASSERT_TRUE(strange);
  with.tls = *strange;
  events_.clear();
  start(with);
  await_events(1);
  EXPECT_EQ(events_[0].kind, Event::kDisconnected);
  EXPECT_TRUE(events_[0].detail.starts_with("tls_unknown_ca")) << events_[0].detail;
  EXPECT_NE(feed().status().text.find("waiting 1.2 s"), std::string::npos) << feed().status().text;
  EXPECT_NE(feed().status().text.find("--ca-file"), std::string::npos);
}

}  // namespace
}  // namespace finpipe
