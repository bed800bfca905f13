#include "simulator/simulator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/time.h"
#include "codec/flat_json.h"
#include "net/http_client.h"
#include "net/websocket_client.h"

namespace finpipe {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kTradedMs = 1'723'161'255'000;  // ms

// 200 frames, 2 ms apart, of A and B in turn; the price numbers the frames.
std::shared_ptr<const LoopedTape> numbered_tape() {
  std::string text;
  for (int i = 0; i < 200; ++i) {
    text += std::to_string((kTradedMs + 2 * i) * kNsPerMs) + R"( {"data":[{"c":null,"p":)" + std::to_string(i) +
            R"(,"s":")" + (i % 2 == 0 ? "A" : "B") + R"(","t":)" + std::to_string(kTradedMs + 2 * i) +
            R"(,"v":1}],"type":"trade"})" + "\n";
  }
  return *LoopedTape::parse(text);
}

class Client final : public net::WebSocketClient::Handler {
 public:
  Client(net::EventLoop& loop, net::WebSocketClientOptions options, std::vector<std::string> symbols)
      : client_(loop, *this), symbols_(std::move(symbols)) {
    client_.connect(std::move(options));
  }
  void on_open() override {
    open = true;
    for (const std::string& symbol : symbols_) client_.send(R"({"type":"subscribe","symbol":")" + symbol + "\"}");
  }
  void on_message(std::string_view message) override { messages.emplace_back(message); }
  void on_pong() override { ++pongs; }
  void on_end(const net::ConnectionEnd& how) override { end = how; }
  net::WebSocketClient& socket() { return client_; }

  bool open = false;
  int pongs = 0;
  std::vector<std::string> messages;
  std::optional<net::ConnectionEnd> end;

 private:
  net::WebSocketClient client_;
  std::vector<std::string> symbols_;
};

class SimulatorTest : public testing::Test {
 protected:
  SimulatorTest() {
    std::string name = (fs::temp_directory_path() / "finpipe-simulator-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
  }
  ~SimulatorTest() override {
    clients.clear();
    simulator.reset();
    fs::remove_all(directory_);
  }

  void start(SimulatorOptions options = {}) {
    if (options.tape == nullptr) {
      options.tape = numbered_tape();
      options.play.loop = true;
    }
    options.record_path = (directory_ / "record").string();
    auto started = Simulator::start(std::move(options));
    ASSERT_TRUE(started) << started.error().message();
    simulator = std::move(*started);
  }

  net::WebSocketClientOptions address() {
    net::WebSocketClientOptions options;
    options.host = "127.0.0.1";
    options.port = simulator->port();
    return options;
  }
  Client& connect(std::vector<std::string> symbols = {"A"}) { return connect(address(), std::move(symbols)); }
  Client& connect(net::WebSocketClientOptions options, std::vector<std::string> symbols) {
    clients.push_back(std::make_unique<Client>(loop, std::move(options), std::move(symbols)));
    Client& client = *clients.back();
    wait_until([&] { return client.open || client.end; });
    return client;
  }
  // A client that is being sent trades.
  Client& connect_and_hear() {
    Client& client = connect();
    wait_until([&] { return client.messages.size() >= 2; });
    return client;
  }
  void wait_until(const std::function<bool()>& condition) {
    const std::int64_t deadline_ns = clock.boot_ns() + 60 * kNsPerSecond;
    while (!condition()) {
      ASSERT_LT(clock.boot_ns(), deadline_ns);
      loop.run_some(5);
    }
  }
  void run_for(std::int64_t ms) {
    const std::int64_t until_ns = clock.boot_ns() + ms * kNsPerMs;
    while (clock.boot_ns() < until_ns) loop.run_some(5);
  }

  // Status and body of the answer.
  std::pair<int, std::string> request(const std::string& method, const std::string& target, std::string body = {},
                                      std::vector<std::pair<std::string, std::string>> headers = {}) {
    net::HttpClientRequest request;
    request.host = "127.0.0.1";
    request.port = simulator->port();
    request.method = method;
    request.target = target;
    request.body = std::move(body);
    request.headers = std::move(headers);
    std::optional<Result<net::HttpClientResponse>> answer;
    net::http_request(loop, std::move(request), [&](Result<net::HttpClientResponse> response) { answer = response; });
    wait_until([&] { return answer.has_value(); });
    if (!answer || !*answer) return {0, answer ? answer->error().message() : ""};
    return {(*answer)->status, (*answer)->body};
  }
  void fault(const std::string& json) {
    const auto [status, body] = request("POST", "/control/fault", json);
    ASSERT_EQ(status, 200) << body;
  }
  std::string status() { return request("GET", "/control/status").second; }

  std::vector<std::string> record_lines() {
    std::vector<std::string> lines;
    std::ifstream file(directory_ / "record");
    for (std::string text; std::getline(file, text);) lines.push_back(text);
    return lines;
  }
  // The frames of trades on record for a connection.
  std::vector<std::string> recorded_frames(std::int64_t connection) {
    std::vector<std::string> frames;
    for (const std::string& text : record_lines()) {
      const auto json = FlatJson::parse(text);
      EXPECT_TRUE(json) << text;
      if (json->string("event") == "trades" && json->integer("connection") == connection) {
        frames.emplace_back(*json->string("frame"));
      }
    }
    return frames;
  }
  bool recorded(const std::string& text) {
    return std::ranges::any_of(record_lines(), [&](const std::string& each) { return each.contains(text); });
  }
  // What a client heard of trades is the beginning of what is on record for its connection.
  void expect_prefix(const Client& client, std::int64_t connection) {
    std::vector<std::string> heard;
    std::ranges::copy_if(client.messages, std::back_inserter(heard),
                         [](const std::string& text) { return text.starts_with(R"({"data":[)"); });
    const std::vector<std::string> sent = recorded_frames(connection);
    ASSERT_LE(heard.size(), sent.size());
    EXPECT_TRUE(std::equal(heard.begin(), heard.end(), sent.begin()));
  }
  // After a fault a new connection is served as if nothing had been.
  void expect_served_again() {
    const std::size_t before = clients.size();
    connect_and_hear();
    EXPECT_EQ(clients.size(), before + 1);
  }

  SystemClock clock;
  net::EventLoop loop;
  std::unique_ptr<Simulator> simulator;
  std::vector<std::unique_ptr<Client>> clients;
  fs::path directory_;
};

TEST_F(SimulatorTest, ATapePlayedOnceWaitsForItsSubscriberAndComesWhole) {
  SimulatorOptions options;
  options.tape = numbered_tape();
  start(std::move(options));
  run_for(30);
  EXPECT_TRUE(status().contains(R"("playing":false)"));
  Client& client = connect({"A", "B"});
  wait_until([&] { return client.messages.size() == 200; });
  for (std::size_t i = 0; i < 200; ++i) {
    EXPECT_TRUE(client.messages[i].contains("\"p\":" + std::to_string(i) + ",")) << client.messages[i];
    EXPECT_TRUE(client.messages[i].contains("\"t\":" + std::to_string(kTradedMs + 2 * static_cast<int>(i))));
  }
  wait_until([&] { return status().contains(R"("ended":true)"); });
  EXPECT_EQ(recorded_frames(1), client.messages);
}

TEST_F(SimulatorTest, AtFullSpeedTheTapeWaitsForASlowClientAndLosesNothing) {
  SimulatorOptions options;
  options.tape = *LoopedTape::read(std::string(FINPIPE_SOURCE_DIR) + "/data/binance.tape");
  options.play.speed = 0;
  start(std::move(options));
  Client& client = connect({"BINANCE:BTCUSDT", "BINANCE:ETHUSDT"});
  client.socket().pause_reading(true);
  run_for(50);
  client.socket().pause_reading(false);
  std::size_t trades = 0;
  std::size_t read = 0;
  wait_until([&] {
    for (; read < client.messages.size(); ++read) {
      for (std::size_t at = 0; (at = client.messages[read].find("\"p\":", at)) != std::string::npos; ++at) ++trades;
    }
    return trades == 34'419;
  });
  EXPECT_TRUE(status().contains(R"("dropped":0)"));
}

TEST_F(SimulatorTest, RebasedTradesHappenNow) {
  SimulatorOptions options;
  options.tape = numbered_tape();
  options.play = {.speed = 1, .loop = true, .rebase = true};
  start(std::move(options));
  Client& client = connect();
  wait_until([&] { return client.messages.size() >= 300; });
  std::int64_t previous_ms = 0;
  for (const std::string& text : client.messages) {
    const std::int64_t time_ms = std::stoll(text.substr(text.find("\"t\":") + 4));
    EXPECT_GT(time_ms, previous_ms);
    previous_ms = time_ms;
  }
  const std::int64_t age_ms = clock.wall_ns() / kNsPerMs - previous_ms;
  EXPECT_GE(age_ms, 0);
  EXPECT_LT(age_ms, 5'000);
}

TEST_F(SimulatorTest, TlsIsVerifiedWithTheGeneratedAuthority) {
  SimulatorOptions options;
  options.tls = true;
  options.tape = numbered_tape();
  options.play.loop = true;
  start(std::move(options));
  net::WebSocketClientOptions trusted = address();
  trusted.tls = *net::TlsContext::client({.ca_pem = simulator->ca_pem(), .certificate_pem = {}, .key_pem = {}});
  Client& client = connect(trusted, {"A"});
  wait_until([&] { return !client.messages.empty(); });
  net::WebSocketClientOptions untrusted = address();
  untrusted.tls = *net::TlsContext::client({});
  Client& stranger = connect(untrusted, {"A"});
  ASSERT_TRUE(stranger.end);
  EXPECT_FALSE(stranger.end->was_open);
}

TEST_F(SimulatorTest, DisconnectSaysACloseCode) {
  start();
  Client& client = connect_and_hear();
  fault(R"({"kind":"disconnect","code":1012})");
  wait_until([&] { return client.end.has_value(); });
  EXPECT_EQ(client.end->kind, net::ConnectionEnd::Kind::kClosedByPeer);
  EXPECT_EQ(client.end->close_code, 1012);
  wait_until([&] { return recorded(R"("event":"close","connection":1,"reason":"disconnect")"); });
  expect_prefix(client, 1);
  expect_served_again();
}

TEST_F(SimulatorTest, DropEndsWithoutACloseFrame) {
  start();
  Client& client = connect_and_hear();
  fault(R"({"kind":"drop"})");
  wait_until([&] { return client.end.has_value(); });
  EXPECT_EQ(client.end->kind, net::ConnectionEnd::Kind::kLost);
  wait_until([&] { return recorded(R"("reason":"drop")"); });
  expect_prefix(client, 1);
  expect_served_again();
}

TEST_F(SimulatorTest, AFaultCanMeetOneConnectionOnly) {
  start();
  Client& first = connect_and_hear();
  Client& second = connect_and_hear();
  simulator->inject({.kind = FaultKind::kDrop, .connection = 1});
  wait_until([&] { return first.end.has_value(); });
  const std::size_t heard = second.messages.size();
  wait_until([&] { return second.messages.size() > heard + 3; });
  EXPECT_FALSE(second.end);
}

TEST_F(SimulatorTest, AStallLosesWhatIsDueMeanwhileAndAnswersPings) {
  start();
  Client& client = connect_and_hear();
  fault(R"({"kind":"stall","ms":100})");
  client.socket().ping();
  wait_until([&] { return client.pongs == 1; });
  const std::size_t heard = client.messages.size();
  wait_until([&] { return client.messages.size() > heard; });
  wait_until([&] { return recorded("resumed"); });
  expect_prefix(client, 1);
  // The price numbers the frames of A: 0, 2, … 198 and again.
  int largest_step = 0;
  for (std::size_t i = 1; i < client.messages.size(); ++i) {
    const auto number = [&](std::size_t at) {
      return std::stoi(client.messages[at].substr(client.messages[at].find("\"p\":") + 4));
    };
    largest_step = std::max(largest_step, (number(i) - number(i - 1) + 200) % 200);
  }
  EXPECT_GE(largest_step, 20);  // frames are 2 ms apart
}

TEST_F(SimulatorTest, HalfOpenAnswersNothingUntilItIsDropped) {
  start();
  Client& client = connect_and_hear();
  fault(R"({"kind":"half_open","ms":300})");
  run_for(20);
  const std::size_t heard = client.messages.size();
  client.socket().ping();
  run_for(100);
  EXPECT_EQ(client.pongs, 0);
  EXPECT_EQ(client.messages.size(), heard);
  EXPECT_FALSE(client.end);
  wait_until([&] { return client.end.has_value(); });
  EXPECT_EQ(client.end->kind, net::ConnectionEnd::Kind::kLost);
  expect_served_again();
}

TEST_F(SimulatorTest, TheNextUpgradesAreRefusedAsAsked) {
  start();
  const auto refused = [&] {
    Client& client = connect();
    return client.end ? *client.end : net::ConnectionEnd{};
  };
  for (const int code : {401, 200, 524, 500, 429}) {
    fault(R"({"kind":"refuse","count":1,"status":)" + std::to_string(code) + "}");
    const net::ConnectionEnd end = refused();
    EXPECT_EQ(end.kind, net::ConnectionEnd::Kind::kUpgradeRefused);
    EXPECT_EQ(end.status, code);
    EXPECT_EQ(end.retry_after_s, std::nullopt);
  }
  fault(R"({"kind":"refuse","count":2,"status":429,"retry_after":7})");
  EXPECT_EQ(refused().retry_after_s, 7);
  EXPECT_EQ(refused().status, 429);
  expect_served_again();
}

TEST_F(SimulatorTest, AnUpgradeCanStayWithoutAnswer) {
  start();
  fault(R"({"kind":"refuse","never":true})");
  net::WebSocketClientOptions options = address();
  options.connect_timeout_ms = 100;
  Client& client = connect(options, {"A"});
  ASSERT_TRUE(client.end);
  EXPECT_EQ(client.end->error.code, ErrorCode::kTimedOut);
  expect_served_again();
}

TEST_F(SimulatorTest, ARefusalCanEndTheOpenConnections) {
  start();
  Client& client = connect_and_hear();
  fault(R"({"kind":"refuse","drop":true})");
  wait_until([&] { return client.end.has_value(); });
  EXPECT_TRUE(connect().end.has_value());
}

TEST_F(SimulatorTest, MalformedFramesComeBetweenGoodOnes) {
  start();
  Client& client = connect_and_hear();
  for (const std::string_view variant : kMalformedNames) {
    fault(R"({"kind":"malformed","variant":")" + std::string(variant) + "\"}");
  }
  const auto heard = [&](const std::string& text) {
    return std::ranges::any_of(client.messages, [&](const std::string& each) { return each.contains(text); });
  };
  wait_until([&] { return heard("xxxxx"); });
  for (const char* text : {R"("p":"1")", "NaN", "\"p\":-1,", "weather"}) EXPECT_TRUE(heard(text)) << text;
  const std::size_t before = client.messages.size();
  wait_until([&] { return client.messages.size() > before; });
  EXPECT_FALSE(client.end);
}

TEST_F(SimulatorTest, BrokenWebSocketFramesMakeAClientEndTheConnection) {
  start();
  for (const char* kind : {"bad_opcode", "bad_utf8", "oversize"}) {
    Client& client = connect_and_hear();
    fault(R"({"kind":")" + std::string(kind) + "\"}");
    wait_until([&] { return client.end.has_value(); });
    EXPECT_EQ(client.end->kind, net::ConnectionEnd::Kind::kProtocolError) << kind;
  }
  expect_served_again();
}

TEST_F(SimulatorTest, ADelayHoldsFramesBackAndLosesNone) {
  SimulatorOptions options;
  options.tape = numbered_tape();
  start(std::move(options));
  fault(R"({"kind":"delay","delay_ms":200,"ms":60000})");
  Client& client = connect({"A", "B"});
  const std::int64_t opened_ns = clock.boot_ns();
  wait_until([&] { return client.messages.size() == 200; });
  for (std::size_t i = 0; i < 200; ++i) {
    EXPECT_TRUE(client.messages[i].contains("\"p\":" + std::to_string(i) + ",")) << client.messages[i];
  }
  EXPECT_GE(clock.boot_ns() - opened_ns, 500 * kNsPerMs);  // the tape's 398 ms, and the delay
}

TEST_F(SimulatorTest, ADuplicateIsTheLastFrameOnceMoreAndOnRecord) {
  SimulatorOptions options;
  options.tape = numbered_tape();
  start(std::move(options));
  Client& client = connect({"A", "B"});
  wait_until([&] { return client.messages.size() == 200; });
  fault(R"({"kind":"duplicate"})");
  wait_until([&] { return client.messages.size() == 201; });
  EXPECT_EQ(client.messages[200], client.messages[199]);
  EXPECT_EQ(recorded_frames(1), client.messages);
}

TEST_F(SimulatorTest, AScheduleCommitsFaultsByItself) {
  SimulatorOptions options;
  options.tape = numbered_tape();
  options.play.loop = true;
  options.fault_every_ms = 20;
  options.faults = {FaultKind::kDrop};
  start(std::move(options));
  for (int i = 0; i < 3; ++i) {
    Client& client = connect();
    wait_until([&] { return client.end.has_value(); });
    EXPECT_EQ(client.end->kind, net::ConnectionEnd::Kind::kLost);
  }
}

TEST_F(SimulatorTest, TheRecordTellsEachConnectionsStory) {
  start();
  Client& client = connect({"A"});
  wait_until([&] { return client.messages.size() >= 3; });
  client.socket().close();
  wait_until([&] { return recorded(R"("event":"close")"); });
  const std::vector<std::string> lines = record_lines();
  std::int64_t number = 0;
  std::int64_t at_ns = 0;
  for (const std::string& text : lines) {
    const auto json = FlatJson::parse(text);
    ASSERT_TRUE(json) << text;
    EXPECT_EQ(json->integer("n"), ++number);
    EXPECT_GE(json->integer("at"), at_ns);
    at_ns = *json->integer("at");
  }
  EXPECT_TRUE(lines[0].contains(R"("event":"open","connection":1)")) << lines[0];
  EXPECT_TRUE(lines[1].contains(R"("event":"subscribe","connection":1,"symbol":"A")")) << lines[1];
  EXPECT_TRUE(lines.back().contains(R"("event":"close","connection":1,"reason":"ended by the client")"));
  expect_prefix(client, 1);
  const auto [code, body] = request("GET", "/control/record?after=1");
  EXPECT_EQ(code, 200);
  EXPECT_TRUE(body.starts_with(lines[1] + "\n"));
}

TEST_F(SimulatorTest, StatusTellsWhoIsConnectedAndWhatIsPlayed) {
  start();
  connect_and_hear();
  const std::string text = status();
  ASSERT_TRUE(FlatJson::parse(text)) << text;
  EXPECT_TRUE(text.contains(R"("tape":{"frames":200,"trades":200,"loop_ms":400,)")) << text;
  EXPECT_TRUE(text.contains(R"("connections":[{"id":1,)")) << text;
  EXPECT_TRUE(text.contains(R"("symbols":["A"])")) << text;
}

TEST_F(SimulatorTest, ControlIsGuarded) {
  SimulatorOptions options;
  options.tape = numbered_tape();
  options.control_token = "let me";
  start(std::move(options));
  const auto code = [&](std::vector<std::pair<std::string, std::string>> headers) {
    return request("GET", "/control/status", {}, std::move(headers)).first;
  };
  EXPECT_EQ(code({}), 401);
  EXPECT_EQ(code({{"Authorization", "Bearer let you"}}), 401);
  EXPECT_EQ(code({{"Authorization", "Bearer let me"}}), 200);
  EXPECT_EQ(code({{"Authorization", "Bearer let me"}, {"Origin", "http://page.example"}}), 403);
}

TEST_F(SimulatorTest, RequestsThatItDoesNotKnowAreAnswered) {
  start();
  EXPECT_EQ(request("GET", "/").first, 404);
  EXPECT_EQ(request("GET", "/control/../x").first, 404);
  EXPECT_EQ(request("GET", "/control/fault").first, 404);
  EXPECT_EQ(request("GET", "/control/record?after=x").first, 400);
  EXPECT_EQ(request("POST", "/control/fault", "{").first, 400);
  EXPECT_EQ(request("POST", "/control/fault", R"({"kind":"flood"})").first, 400);
}

TEST_F(SimulatorTest, StoppingClosesConnectionsAndTheRecordIsWhole) {
  start();
  Client& client = connect_and_hear();
  simulator->stop();
  wait_until([&] { return client.end.has_value(); });
  EXPECT_EQ(client.end->close_code, 1001);
  expect_prefix(client, 1);
  simulator->stop();
  net::WebSocketClientOptions options = address();
  Client& late = connect(options, {"A"});
  EXPECT_TRUE(late.end.has_value());
}

TEST_F(SimulatorTest, APortInUseIsAnError) {
  start();
  SimulatorOptions options;
  options.tape = numbered_tape();
  options.port = simulator->port();
  const auto second = Simulator::start(std::move(options));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kListenFailed);
}

}  // namespace
}  // namespace finpipe
