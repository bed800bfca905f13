#include "endpoint/finnhub_ws.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/time.h"
#include "net/websocket_client.h"

namespace finpipe {
namespace {

using Messages = std::vector<std::string>;

// A client that writes down what it hears.
class Client final : public net::WebSocketClient::Handler {
 public:
  Client(net::EventLoop& loop, std::uint16_t port, std::string target) : client_(loop, *this) {
    net::WebSocketClientOptions options;
    options.host = "127.0.0.1";
    options.port = port;
    options.target = std::move(target);
    client_.connect(std::move(options));
  }
  void on_open() override { open = true; }
  void on_message(std::string_view message) override { messages.emplace_back(message); }
  void on_pong() override { ++pongs; }
  void on_end(const net::ConnectionEnd& how) override { end = how; }

  void send(const std::string& text) { client_.send(text); }
  void subscribe(const std::string& symbol) { send(R"({"type":"subscribe","symbol":")" + symbol + "\"}"); }
  void unsubscribe(const std::string& symbol) { send(R"({"type":"unsubscribe","symbol":")" + symbol + "\"}"); }
  net::WebSocketClient& socket() { return client_; }

  bool open = false;
  int pongs = 0;
  Messages messages;
  std::optional<net::ConnectionEnd> end;

 private:
  net::WebSocketClient client_;
};

class FinnhubWs : public testing::Test, public net::HttpHandler, public FinnhubSubscribers::Observer {
 protected:
  void serve(FinnhubServerOptions options) {
    hub = std::make_unique<FinnhubSubscribers>(loop, std::move(options), this);
    net::HttpServerOptions server_options;
    server_options.max_queued_bytes = std::size_t{64} << 20;
    auto listening = net::HttpServer::listen(loop, server_options, *this);
    ASSERT_TRUE(listening) << listening.error().message();
    server = std::move(*listening);
  }
  ~FinnhubWs() override {
    clients.clear();
    server.reset();
  }

  net::HttpResponse handle(const net::HttpRequest&) override { return {.status = 404}; }
  net::Upgrade upgrade(const net::HttpRequest& request) override { return hub->upgrade(request); }
  void on_open(std::int64_t id) override { told.push_back("open " + std::to_string(id)); }
  void on_close(std::int64_t id) override { told.push_back("close " + std::to_string(id)); }
  void on_subscribe(std::int64_t id, std::string_view symbol) override {
    told.push_back("subscribe " + std::to_string(id) + " " + std::string(symbol));
  }
  void on_unsubscribe(std::int64_t id, std::string_view symbol) override {
    told.push_back("unsubscribe " + std::to_string(id) + " " + std::string(symbol));
  }
  void on_trades(std::int64_t, const FinnhubSubscribers::Frame& frame, std::size_t) override { sent.push_back(*frame); }
  void on_dropped(std::int64_t id) override { told.push_back("dropped " + std::to_string(id)); }

  void wait_until(const std::function<bool()>& condition) {
    SystemClock clock;
    const std::int64_t deadline_ns = clock.boot_ns() + 60 * kNsPerSecond;
    while (!condition()) {
      ASSERT_LT(clock.boot_ns(), deadline_ns);
      loop.run_some(10);
    }
  }
  Client& connect(const std::string& target = "/?token=good") {
    clients.push_back(std::make_unique<Client>(loop, server->port(), target));
    Client& client = *clients.back();
    wait_until([&] { return client.open || client.end; });
    return client;
  }
  void subscribe(Client& client, std::initializer_list<std::string> symbols) {
    const auto target = hub->counts().subscriptions + static_cast<std::int64_t>(symbols.size());
    for (const std::string& symbol : symbols) client.subscribe(symbol);
    wait_until([&] { return hub->counts().subscriptions == target; });
  }
  void publish(const std::vector<std::pair<std::string, std::string>>& trades) {
    std::vector<TaggedTrade> tagged;
    for (const auto& [symbol, json] : trades) tagged.push_back({symbol, json});
    hub->publish(tagged);
  }
  // After all that was sent before it has arrived.
  void settle(Client& client) {
    hub->broadcast(std::make_shared<const std::string>("settled"));
    wait_until([&] { return !client.messages.empty() && client.messages.back() == "settled"; });
    client.messages.pop_back();
  }
  int refusal(const std::string& target) {
    Client& client = connect(target);
    return client.end ? client.end->status : 0;
  }

  net::EventLoop loop;
  std::vector<std::string> told;
  std::vector<std::string> sent;
  std::unique_ptr<FinnhubSubscribers> hub;
  std::unique_ptr<net::HttpServer> server;
  std::vector<std::unique_ptr<Client>> clients;
};

FinnhubServerOptions with_key() {
  FinnhubServerOptions options;
  options.tokens = {"good", "other&good"};
  return options;
}

TEST_F(FinnhubWs, AKeyIsNeededAndChecked) {
  serve(with_key());
  EXPECT_EQ(refusal("/?token=good"), 0);
  EXPECT_EQ(refusal("/?x=1&token=other%26good"), 0);
  for (const char* target : {"/", "/?token=", "/?token=bad", "/?token=goo", "/?token=goodd", "/?token=%zz"}) {
    EXPECT_EQ(refusal(target), 401) << target;
  }
  EXPECT_EQ(hub->counts().unauthorized, 6);
  EXPECT_EQ(hub->counts().open, 2);
}

TEST_F(FinnhubWs, ARefusalSaysWhyAsTheVendorDoes) {
  serve(with_key());
  const auto words = [&](const std::string& target) { return connect(target).end->error.detail; };
  EXPECT_TRUE(words("/").contains(R"({"error":"Please use an API key."})")) << words("/");
  EXPECT_TRUE(words("/?token=bad").contains(R"({"error":"Invalid API key."})")) << words("/?token=bad");
  EXPECT_FALSE(words("/?token=bad").contains("bad"));
}

TEST_F(FinnhubWs, WithoutKeysEverybodyMayConnect) {
  serve({});
  EXPECT_EQ(refusal("/"), 0);
  EXPECT_EQ(refusal("/?token=any"), 0);
}

TEST_F(FinnhubWs, ASecondConnectionOfAKeyWaitsForTheFirstToEnd) {
  FinnhubServerOptions options = with_key();
  options.one_connection_per_key = true;
  serve(options);
  Client& first = connect("/?token=good");
  EXPECT_EQ(refusal("/?token=good"), 429);
  EXPECT_EQ(refusal("/?token=other%26good"), 0);
  EXPECT_EQ(hub->counts().too_many_connections, 1);
  first.socket().close();
  wait_until([&] { return hub->counts().open == 1; });
  EXPECT_EQ(refusal("/?token=good"), 0);
}

TEST_F(FinnhubWs, TradesGoToThoseWhoWantTheirSymbol) {
  serve({});
  Client& a = connect();
  Client& ab = connect();
  Client& none = connect();
  subscribe(a, {"A"});
  subscribe(ab, {"A", "IC MARKETS:1"});
  publish({{"A", R"({"p":1})"}, {"IC MARKETS:1", R"({"p":2})"}, {"C", R"({"p":3})"}, {"A", R"({"p":4})"}});
  settle(a);
  settle(ab);
  settle(none);
  EXPECT_EQ(a.messages[0], R"({"data":[{"p":1},{"p":4}],"type":"trade"})");
  EXPECT_EQ(ab.messages[0], R"({"data":[{"p":1},{"p":2},{"p":4}],"type":"trade"})");
  EXPECT_TRUE(std::ranges::all_of(none.messages, [](const std::string& text) { return text == "settled"; }));
  EXPECT_EQ(sent.size(), 2);
  EXPECT_EQ(hub->counts().frames, 2);
  EXPECT_EQ(hub->counts().trades, 5);
}

TEST_F(FinnhubWs, AnUnsubscribedSymbolComesNoMore) {
  serve({});
  Client& client = connect();
  subscribe(client, {"A", "B"});
  client.unsubscribe("A");
  client.unsubscribe("NEVER");
  wait_until([&] { return hub->counts().subscriptions == 1; });
  publish({{"A", R"({"p":1})"}, {"B", R"({"p":2})"}});
  settle(client);
  EXPECT_EQ(client.messages, (Messages{R"({"data":[{"p":2}],"type":"trade"})"}));
  EXPECT_EQ(told, (Messages{"open 1", "subscribe 1 A", "subscribe 1 B", "unsubscribe 1 A"}));
}

TEST_F(FinnhubWs, LongFramesAreCut) {
  FinnhubServerOptions options;
  options.max_trades_per_frame = 2;
  serve(options);
  Client& client = connect();
  subscribe(client, {"A"});
  publish({{"A", "1"}, {"A", "2"}, {"B", "x"}, {"A", "3"}});
  settle(client);
  EXPECT_EQ(client.messages, (Messages{R"({"data":[1,2],"type":"trade"})", R"({"data":[3],"type":"trade"})"}));
}

TEST_F(FinnhubWs, AFrameOfVeryManySymbolsReachesAllInOrder) {
  FinnhubServerOptions options;
  options.symbol_limit = 1'000;
  options.max_trades_per_frame = 1'000;
  serve(options);
  Client& client = connect();
  std::vector<std::pair<std::string, std::string>> trades;
  for (int i = 0; i < 200; ++i) {
    client.subscribe("S" + std::to_string(i));
    trades.emplace_back("S" + std::to_string(i), std::to_string(i));
  }
  trades.emplace_back("S0", "200");
  wait_until([&] { return hub->counts().subscriptions == 200; });
  publish(trades);
  settle(client);
  std::string numbers;
  for (const std::string& text : client.messages) {
    const std::size_t begin = text.find('[') + 1;
    numbers += text.substr(begin, text.find(']') - begin) + ",";
  }
  std::string expected;
  for (int i = 0; i <= 200; ++i) expected += std::to_string(i) + ",";
  EXPECT_EQ(numbers, expected);
}

TEST_F(FinnhubWs, BeyondTheSymbolLimitTheRestGoesOnAndAnUnsubscribeFreesASlot) {
  FinnhubServerOptions options;
  options.symbol_limit = 2;
  serve(options);
  Client& client = connect();
  subscribe(client, {"A", "B"});
  client.subscribe("C");
  client.subscribe("A");  // has its slot already
  wait_until([&] { return !client.messages.empty(); });
  EXPECT_EQ(client.messages, (Messages{R"({"msg":"Subscribing to too many symbols","type":"error"})"}));
  publish({{"A", "1"}, {"C", "2"}});
  settle(client);
  EXPECT_EQ(client.messages.back(), R"({"data":[1],"type":"trade"})");
  client.unsubscribe("A");
  client.subscribe("C");
  wait_until([&] { return told.back() == "subscribe 1 C"; });
  EXPECT_EQ(hub->symbols_of(1), (std::vector<std::string>{"B", "C"}));
  EXPECT_EQ(hub->counts().errors, 1);
}

TEST_F(FinnhubWs, UnknownAndImpossibleSymbolsAreNamed) {
  FinnhubServerOptions options;
  options.known_symbols = {"A"};
  serve(options);
  Client& client = connect();
  client.subscribe("OANDA:EUR_USD");
  client.subscribe("");
  client.subscribe(R"(quote\")");
  subscribe(client, {"A"});
  settle(client);
  EXPECT_EQ(client.messages, (Messages{R"({"msg":"Invalid symbol OANDA:EUR_USD","type":"error"})",
                                       R"({"msg":"Invalid symbol ","type":"error"})",
                                       R"({"msg":"Invalid symbol quote\"","type":"error"})"}));
}

TEST_F(FinnhubWs, WhatCannotBeUnderstoodIsAnErrorAndNoEnd) {
  serve({});
  Client& client = connect();
  const Messages bad{"", "hello", "[]", "{}", R"({"type":5})", R"({"type":"subscribe"})", R"({"type":"fly"})"};
  for (const std::string& text : bad) client.send(text);
  client.send(R"({"type":"subscribe-news","symbol":"A"})");  // no news is no error
  subscribe(client, {"A"});
  settle(client);
  EXPECT_EQ(client.messages.size(), bad.size());
  for (const std::string& text : client.messages) EXPECT_TRUE(text.starts_with(R"({"msg":"Invalid message)")) << text;
  EXPECT_FALSE(client.end);
}

TEST_F(FinnhubWs, PingsComeAsTextEachInterval) {
  FinnhubServerOptions options;
  options.ping_interval_ms = 5;
  serve(options);
  Client& client = connect();
  wait_until([&] { return client.messages.size() >= 3; });
  for (const std::string& text : client.messages) EXPECT_EQ(text, R"({"type":"ping"})");
}

TEST_F(FinnhubWs, AClientThatTakesTooLittleIsDroppedAndTheOthersGoOn) {
  FinnhubServerOptions options;
  options.max_queued_bytes = std::size_t{1} << 20;
  serve(options);
  Client& slow = connect();
  Client& good = connect();
  subscribe(slow, {"A"});
  subscribe(good, {"A"});
  slow.socket().pause_reading(true);
  const std::string large(100'000, '1');
  std::size_t published = 0;
  while (hub->counts().dropped == 0) {
    publish({{"A", large}});
    ++published;
    ASSERT_LT(published, 1'000U);
    wait_until([&] { return good.messages.size() == published; });
  }
  wait_until([&] { return hub->counts().open == 1; });
  EXPECT_EQ(hub->counts().dropped, 1);
  EXPECT_EQ(sent.size(), 2 * published - 1);  // the frame that was too much for it is not told as sent
  EXPECT_EQ(std::ranges::count(told, "dropped 1"), 1);
  EXPECT_EQ(told.back(), "close 1");
  EXPECT_TRUE(hub->has_listeners());
  publish({{"A", "2"}});
  settle(good);
  EXPECT_EQ(good.messages.back(), R"({"data":[2],"type":"trade"})");
}

TEST_F(FinnhubWs, AMutedConnectionHearsNothingAndMissesIt) {
  serve({});
  Client& client = connect();
  EXPECT_FALSE(hub->has_listeners());
  subscribe(client, {"A"});
  EXPECT_TRUE(hub->has_listeners());
  hub->mute(1, true);
  EXPECT_FALSE(hub->has_listeners());
  publish({{"A", "1"}});
  hub->mute(1, false);
  publish({{"A", "2"}});
  settle(client);
  EXPECT_EQ(client.messages, (Messages{R"({"data":[2],"type":"trade"})"}));
  client.socket().abort();
  wait_until([&] { return hub->counts().open == 0; });
  EXPECT_FALSE(hub->has_listeners());
  EXPECT_EQ(hub->counts().subscriptions, 0);
  publish({{"A", "3"}});
}

}  // namespace
}  // namespace finpipe
