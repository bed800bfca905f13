#include "feeds/finnhub_websocket.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <regex>
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

// The connection's timers are in virtual time, which passes only while it waits to connect: what a slow machine makes
// late is no silence.
class FinnhubWebSocketTest : public testing::Test {
 protected:
  FinnhubWebSocketOptions options(const Vendor& vendor) {
    FinnhubWebSocketOptions made;
    made.host = "127.0.0.1";
    made.port = vendor.port();
    made.token = "a secret/token&of=42";
    made.symbols = {"AAPL", "IC MARKETS:1"};
    made.poll_wait_ms = 5;
    return made;
  }
  void start(FinnhubWebSocketOptions with) { feed_.emplace(std::move(with), clock_, session_, Random(1)); }
  FinnhubWebSocketFeed& feed() { return *feed_; }

  // Polls until `done`, or until the feed has failed.
  void poll_until(const std::function<bool()>& done, std::size_t max_frames = kAll) {
    const std::int64_t end_ns = real_clock_.boot_ns() + kPatienceNs;
    while (!done()) {
      ASSERT_LT(real_clock_.boot_ns(), end_ns) << "nothing more happens; " << feed_->status().text;
      auto batch = feed_->poll(max_frames);
      if (!batch) {
        failure_ = batch.error();
        return;
      }
      take(*batch);
      clock_.advance_ns(feed_->status().state == Connection::State::kWaiting ? kNsPerSecond : 1);
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

  void await_messages(const Vendor& vendor, std::size_t count) {
    poll_until([&] { return vendor.messages().size() >= count; });
    ASSERT_EQ(vendor.messages().size(), count);
  }
  // Has a frame sent, "1", until it waits to be polled: then its stamp is the time of the batches.
  void await_waiting_frame(Vendor& vendor) {
    vendor.send("1");
    std::optional<std::int64_t> last_ns;
    poll_until(
        [&] {
          const std::optional<std::int64_t> now_ns = feed().poll(0)->now_ns;
          return std::exchange(last_ns, now_ns) == now_ns;
        },
        0);
    ASSERT_TRUE(frames_.empty());
  }

  SystemClock real_clock_;
  ManualClock clock_{1'785'000'000 * kNsPerSecond};
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
  await_messages(vendor, 2);
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
    if (const auto error = feed().status().last_error) texts.push_back(error->message());
  };
  poll_until([&] { return look(), events_.size() >= 2; });
  vendor.send(
      fmt::format(R"({{"msg":"Subscribing to too many symbols with {} = {}","type":"error"}})", token, encoded));
  await_events(3);
  EXPECT_EQ(events_[2].detail, "Subscribing to too many symbols with *** = ***");
  look();
  vendor.refuse_next(answer(401, echo));
  vendor.close(1'001, token);
  poll_until([&] { return failure_.has_value(); });
  look();
  const std::string log = testing::internal::GetCapturedStderr();
  for (const char* line : {"feed cannot connect", "feed connected", "the vendor refused symbols", "feed failed"}) {
    EXPECT_NE(log.find(line), std::string::npos) << line;
  }
  texts.push_back(log);

  ASSERT_EQ(vendor.targets().size(), 5);
  for (const std::string& target : vendor.targets()) EXPECT_EQ(target, "/finnhub/ws?v=1&token=" + encoded);
  ASSERT_TRUE(failure_);
  texts.push_back(failure_->message());
  for (const FeedEvent& event : events_) texts.push_back(event.detail);
  for (const std::string& text : texts) {
    EXPECT_EQ(text.find(token), std::string::npos) << text;
    EXPECT_EQ(text.find(encoded), std::string::npos) << text;
  }
}

TEST_F(FinnhubWebSocketTest, ConnectsAgainWhenTheServerGoes) {
  Vendor vendor;
  start(options(vendor));
  await_events(1);
  vendor.send("1");
  await_frames(1);
  await_messages(vendor, 2);
  vendor.close(1'001, "restart");
  await_events(3);
  vendor.send("2");
  await_frames(2);
  await_messages(vendor, 4);
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
  await_messages(vendor, 6);
}

TEST_F(FinnhubWebSocketTest, ConnectsAgainWhileFramesWaitToBePolled) {
  Vendor vendor;
  start(options(vendor));
  await_events(1);
  await_waiting_frame(vendor);
  vendor.abort();
  poll_until([&] { return vendor.targets().size() == 2; }, 0);
  await_events(3);
  EXPECT_EQ(events_[1].before, 1);
}

TEST_F(FinnhubWebSocketTest, ASilentServerIsGivenUpAndAskedAgain) {
  Vendor vendor;
  start(options(vendor));
  await_events(1);
  clock_.advance_ns(149 * kNsPerSecond);
  take(*feed().poll(kAll));
  EXPECT_EQ(events_.size(), 1);
  clock_.advance_ns(kNsPerSecond);
  await_events(3);
  EXPECT_EQ(events_[1].kind, Event::kStalled);
  EXPECT_EQ(events_[2].kind, Event::kSubscribed);
}

TEST_F(FinnhubWebSocketTest, AServerThatStopsToAnswerPingsIsGivenUp) {
  Vendor vendor;
  start(options(vendor));
  await_events(1);
  for (std::size_t probes = 1; probes <= 20; ++probes) {
    clock_.advance_ns(20 * kNsPerSecond);
    take(*feed().poll(kAll));
    vendor.send(R"({"type":"ping"})");
    await_frames(probes);
  }
  EXPECT_EQ(events_.size(), 1);
  vendor.with_connection([](net::WebSocketConnection& connection) { connection.pause_reading(true); });
  (void)vendor.queued_bytes();  // paused by now
  poll_until([&] {
    clock_.advance_ns(10 * kNsPerSecond);
    return events_.size() > 1;
  });
  EXPECT_EQ(events_[1].kind, Event::kDisconnected);
  EXPECT_NE(events_[1].detail.find("half-open"), std::string::npos) << events_[1].detail;
}

TEST_F(FinnhubWebSocketTest, TimersAreScaledAndTheStatusSaysWhatIsWaitedFor) {
  Vendor vendor;
  vendor.refuse_next(answer(429, {}));
  auto with = options(vendor);
  with.time_scale = 0.02;
  with.connect_timeout_ms = 1'000'000;
  start(std::move(with));
  await_events(1);
  EXPECT_EQ(events_[0].kind, Event::kDisconnected);
  EXPECT_EQ(feed().status().state, Connection::State::kWaiting);
  EXPECT_EQ(feed().status().since_ns, events_[0].at_ns);
  EXPECT_EQ(feed().status().text, "429: waiting 1.5 s; the vendor allows one connection a key");
  EXPECT_EQ(feed().status().attempt, 1);
  const std::int64_t refused_ns = events_[0].at_ns;
  await_events(2);
  EXPECT_EQ(events_[1].kind, Event::kSubscribed);
  EXPECT_GE(events_[1].at_ns - refused_ns, 1'500 * kNsPerMs);
}

TEST_F(FinnhubWebSocketTest, AFeedThatFlapsDoesNotFloodTheLog) {
  constexpr int kAttempts = 100;
  Vendor vendor;
  for (int i = 0; i < kAttempts; ++i) vendor.refuse_next(answer(503, {}));
  auto with = options(vendor);
  with.time_scale = 1e-4;
  with.connect_timeout_ms = 100'000'000;
  testing::internal::CaptureStderr();
  start(std::move(with));
  await_events(2);
  std::string log = testing::internal::GetCapturedStderr();
  EXPECT_LE(std::ranges::count(log, '\n'), kAttempts / 2);

  clock_.advance_ns(3'600 * kNsPerSecond);
  testing::internal::CaptureStderr();
  await_events(4);
  log += testing::internal::GetCapturedStderr();
  EXPECT_TRUE(std::regex_search(log, std::regex("lines_left_out=[1-9]"))) << log;
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
  clock_.advance_ns(3'600 * kNsPerSecond);
  take(*feed().poll(0));
  EXPECT_EQ(feed().status().state, Connection::State::kOpen) << "what is not read is not silent";
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
  await_waiting_frame(vendor);
  feed().close();
  EXPECT_EQ(feed().status().state, Connection::State::kStopped) << "the vendor answered in time";
  EXPECT_FALSE(feed().poll(0)->end);
  poll_until([&] { return ended_; }, 1);
  ASSERT_EQ(frames_.size(), 1);
  EXPECT_EQ(frames_[0].bytes, "1");
  const std::int64_t end_ns = real_clock_.boot_ns() + kPatienceNs;
  while (vendor.closed() == 0 && real_clock_.boot_ns() < end_ns) std::this_thread::yield();
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
  EXPECT_NE(feed().status().text.find("waiting 60 s"), std::string::npos) << feed().status().text;
  EXPECT_NE(feed().status().text.find("--ca-file"), std::string::npos);
}

}  // namespace
}  // namespace finpipe
