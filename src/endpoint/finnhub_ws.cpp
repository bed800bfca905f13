#include "endpoint/finnhub_ws.h"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>
#include <utility>

#include "base/hash.h"
#include "codec/flat_json.h"
#include "market/trade.h"
#include "net/url.h"

namespace finpipe {
namespace {

constexpr std::size_t kMaxSymbolsOfPart = 64;  // one bit each

// The API key of a request; empty when there is none, nullopt when it cannot be read.
std::optional<std::string> key_of(const net::HttpRequest& request) {
  const std::size_t mark = request.target.find('?');
  if (mark != std::string_view::npos) {
    const auto query = net::parse_query(request.target.substr(mark + 1));
    if (!query) return std::nullopt;
    const auto token = std::ranges::find(*query, "token", [](const auto& parameter) { return parameter.first; });
    if (token != query->end()) return token->second;
  }
  return std::string(request.header("X-Finnhub-Token"));
}

net::Upgrade refuse(int status, std::string_view error) {
  net::Upgrade upgrade;
  upgrade.refusal = {.status = status, .body = fmt::format(R"({{"error":"{}"}})", error)};
  return upgrade;
}

FinnhubSubscribers::Frame frame_of(std::string text) { return std::make_shared<const std::string>(std::move(text)); }

}  // namespace

class FinnhubSubscribers::Connection final : public net::WebSocketHandler {
 public:
  Connection(FinnhubSubscribers& owner, std::string key_hash) : owner_(owner), key_hash_(std::move(key_hash)) {
    ++owner_.open_by_key_[key_hash_];
  }
  ~Connection() override {
    on_close();
    const auto open = owner_.open_by_key_.find(key_hash_);
    if (--open->second == 0) owner_.open_by_key_.erase(open);
  }

  void on_open(net::WebSocketConnection& connection) override {
    socket = &connection;
    owner_.opened(*this);
  }
  void on_message(std::string_view message) override { owner_.answer(*this, message); }
  void on_drained() override {}
  void on_close() override {
    if (std::exchange(socket, nullptr) != nullptr) owner_.closed(*this);
  }

  [[nodiscard]] bool listens() const { return reachable() && !symbols.empty(); }
  [[nodiscard]] bool reachable() const { return socket != nullptr && !muted && !dropped; }

  net::WebSocketConnection* socket = nullptr;  // while open
  ConnectionId id = 0;
  bool muted = false;
  bool dropped = false;
  std::set<std::string, std::less<>> symbols;
  std::uint64_t wanted = 0;  // while publishing: which symbols of the frame

 private:
  FinnhubSubscribers& owner_;
  std::string key_hash_;
};

FinnhubSubscribers::FinnhubSubscribers(net::EventLoop& loop, FinnhubServerOptions options, Observer* observer)
    : options_(std::move(options)), observer_(observer), ping_timer_(loop) {
  for (const std::string& token : options_.tokens) key_hashes_.push_back(sha256_hex(token));
  start_ping_timer();
}

FinnhubSubscribers::~FinnhubSubscribers() = default;

KeyCheck FinnhubSubscribers::check_key(const net::HttpRequest& request) const {
  if (key_hashes_.empty()) return KeyCheck::kGood;
  const auto key = key_of(request);
  if (!key) return KeyCheck::kWrong;
  if (key->empty()) return KeyCheck::kMissing;
  const std::string hash = sha256_hex(*key);
  bool known = false;
  for (const std::string& good : key_hashes_) known |= equal_in_constant_time(hash, good);
  return known ? KeyCheck::kGood : KeyCheck::kWrong;
}

net::Upgrade FinnhubSubscribers::upgrade(const net::HttpRequest& request) {
  const KeyCheck check = check_key(request);
  if (check != KeyCheck::kGood) {
    ++counts_.unauthorized;
    return refuse(401, check == KeyCheck::kMissing ? "Please use an API key." : "Invalid API key.");
  }
  std::string hash = sha256_hex(key_of(request).value_or(""));
  if (options_.one_connection_per_key && open_by_key_.contains(hash)) {
    ++counts_.too_many_connections;
    return refuse(429, "API limit reached. Please try again later. Remaining Limit: 0");
  }
  net::Upgrade upgrade;
  upgrade.handler = std::make_unique<Connection>(*this, std::move(hash));
  return upgrade;
}

void FinnhubSubscribers::publish(std::span<const TaggedTrade> trades) {
  symbols_.clear();
  symbol_of_.clear();
  std::size_t first = 0;
  for (std::size_t i = 0; i < trades.size(); ++i) {
    auto known = std::ranges::find(symbols_, trades[i].symbol);
    if (known == symbols_.end() && symbols_.size() == kMaxSymbolsOfPart) {
      publish_part(trades.subspan(first, i - first), symbol_of_);
      first = i;
      symbols_.clear();
      symbol_of_.clear();
      known = symbols_.end();
    }
    symbol_of_.push_back(static_cast<std::uint8_t>(known - symbols_.begin()));
    if (known == symbols_.end()) symbols_.push_back(trades[i].symbol);
  }
  if (first < trades.size()) publish_part(trades.subspan(first), symbol_of_);
  drop_slow();
}

void FinnhubSubscribers::publish_part(std::span<const TaggedTrade> trades, std::span<const std::uint8_t> symbol_of) {
  touched_.clear();
  for (std::size_t i = 0; i < symbols_.size(); ++i) {
    const auto topic = subscribers_.find(symbols_[i]);
    if (topic == subscribers_.end()) continue;
    for (Connection* connection : topic->second) {
      if (!connection->reachable()) continue;
      if (connection->wanted == 0) touched_.push_back(connection);
      connection->wanted |= std::uint64_t{1} << i;
    }
  }
  std::vector<Selection> selections;
  for (Connection* connection : touched_) {
    const std::uint64_t wanted = std::exchange(connection->wanted, 0);
    auto selection = std::ranges::find(selections, wanted, &Selection::wanted);
    if (selection == selections.end()) {
      selections.push_back(select(trades, symbol_of, wanted));
      selection = std::prev(selections.end());
    }
    for (std::size_t i = 0; i < selection->frames.size(); ++i) {
      const Frame& frame = selection->frames[i];
      if (!takes(*connection, frame)) break;
      counts_.frames += 1;
      counts_.trades += static_cast<std::int64_t>(selection->trades[i]);
      if (observer_ != nullptr) observer_->on_trades(connection->id, frame, selection->trades[i]);
      connection->socket->send(frame);
    }
  }
}

FinnhubSubscribers::Selection FinnhubSubscribers::select(std::span<const TaggedTrade> trades,
                                                         std::span<const std::uint8_t> symbol_of,
                                                         std::uint64_t wanted) const {
  constexpr std::string_view kHead = R"({"data":[)";
  constexpr std::string_view kTail = R"(],"type":"trade"})";
  Selection selection{.wanted = wanted, .frames = {}, .trades = {}};
  std::string text;
  std::size_t count = 0;
  const auto finish = [&] {
    if (count == 0) return;
    text += kTail;
    selection.frames.push_back(frame_of(std::exchange(text, {})));
    selection.trades.push_back(std::exchange(count, 0));
  };
  for (std::size_t i = 0; i < trades.size(); ++i) {
    if ((wanted >> symbol_of[i] & 1) == 0) continue;
    text += count == 0 ? kHead : ",";
    text += trades[i].json;
    if (++count == options_.max_trades_per_frame) finish();
  }
  finish();
  return selection;
}

void FinnhubSubscribers::broadcast(const Frame& frame) {
  for (Connection* connection : std::views::values(connections_)) send(*connection, frame);
  drop_slow();
}

// Whether a frame can be sent. A connection that has too much waiting is to be dropped.
bool FinnhubSubscribers::takes(Connection& connection, const Frame& frame) {
  if (!connection.reachable()) return false;
  if (connection.socket->queued_bytes() + frame->size() <= options_.max_queued_bytes) return true;
  listeners_ -= connection.listens() ? 1 : 0;
  connection.dropped = true;
  slow_.push_back(connection.id);
  return false;
}

void FinnhubSubscribers::send(Connection& connection, const Frame& frame) {
  if (takes(connection, frame)) connection.socket->send(frame);
}

// Apart from `takes`, since it may end in `closed` while connections are being walked over.
void FinnhubSubscribers::drop_slow() {
  while (!slow_.empty()) {
    const ConnectionId id = slow_.back();
    slow_.pop_back();
    const auto found = connections_.find(id);
    if (found == connections_.end()) continue;
    ++counts_.dropped;
    if (observer_ != nullptr) observer_->on_dropped(id);
    found->second->socket->abort();
  }
}

void FinnhubSubscribers::start_ping_timer() {
  if (options_.ping_interval_ms <= 0) return;
  ping_timer_.start(options_.ping_interval_ms, [this] {
    static const Frame kPing = frame_of(R"({"type":"ping"})");
    broadcast(kPing);
    start_ping_timer();
  });
}

void FinnhubSubscribers::opened(Connection& connection) {
  connection.id = ++last_id_;
  connections_.emplace(connection.id, &connection);
  ++counts_.open;
  ++counts_.opened;
  if (observer_ != nullptr) observer_->on_open(connection.id);
}

void FinnhubSubscribers::closed(Connection& connection) {
  // `socket` is null by now, so it no longer counts as listening by itself.
  if (!connection.symbols.empty() && !connection.muted && !connection.dropped) --listeners_;
  for (const std::string& symbol : connection.symbols) {
    const auto topic = subscribers_.find(symbol);
    topic->second.erase(&connection);
    if (topic->second.empty()) subscribers_.erase(topic);
  }
  counts_.subscriptions -= static_cast<std::int64_t>(connection.symbols.size());
  connection.symbols.clear();
  connections_.erase(connection.id);
  --counts_.open;
  if (observer_ != nullptr) observer_->on_close(connection.id);
}

void FinnhubSubscribers::answer(Connection& connection, std::string_view message) {
  const auto json = FlatJson::parse(message);
  const auto type = json ? json->string("type") : std::nullopt;
  if (!type) {
    say_error(connection, "Invalid message");
  } else if (*type == "subscribe" || *type == "unsubscribe") {
    const auto symbol = json->string("symbol");
    if (!symbol) {
      say_error(connection, "Invalid message: symbol is missing");
    } else if (*type == "subscribe") {
      subscribe(connection, *symbol);
    } else {
      unsubscribe(connection, *symbol);
    }
  } else if (!type->ends_with("subscribe-news") && !type->ends_with("subscribe-pr")) {
    // News and press releases may be asked for; none ever come.
    say_error(connection, fmt::format("Invalid message type {}", type->substr(0, kMaxSymbolBytes)));
  }
  drop_slow();
}

void FinnhubSubscribers::subscribe(Connection& connection, std::string_view symbol) {
  if (connection.symbols.contains(symbol)) return;
  const bool known = !options_.known_symbols || options_.known_symbols->contains(symbol);
  if (symbol.empty() || symbol.size() > kMaxSymbolBytes || !known) {
    return say_error(connection, fmt::format("Invalid symbol {}", symbol.substr(0, kMaxSymbolBytes)));
  }
  if (connection.symbols.size() >= options_.symbol_limit) {
    return say_error(connection, "Subscribing to too many symbols");
  }
  if (observer_ != nullptr) observer_->on_subscribe(connection.id, symbol);
  listeners_ += connection.reachable() && connection.symbols.empty() ? 1 : 0;
  connection.symbols.emplace(symbol);
  subscribers_[std::string(symbol)].insert(&connection);
  ++counts_.subscriptions;
}

void FinnhubSubscribers::unsubscribe(Connection& connection, std::string_view symbol) {
  const auto found = connection.symbols.find(symbol);
  if (found == connection.symbols.end()) return;
  const auto topic = subscribers_.find(symbol);
  topic->second.erase(&connection);
  if (topic->second.empty()) subscribers_.erase(topic);
  connection.symbols.erase(found);
  listeners_ -= connection.reachable() && connection.symbols.empty() ? 1 : 0;
  --counts_.subscriptions;
  if (observer_ != nullptr) observer_->on_unsubscribe(connection.id, symbol);
}

void FinnhubSubscribers::say_error(Connection& connection, std::string_view message) {
  std::string text = R"({"msg":)";
  append_json_string(text, message);
  text += R"(,"type":"error"})";
  ++counts_.errors;
  send(connection, frame_of(std::move(text)));
}

void FinnhubSubscribers::mute(ConnectionId id, bool muted) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  Connection& connection = *found->second;
  const int before = connection.listens() ? 1 : 0;
  connection.muted = muted;
  listeners_ += (connection.listens() ? 1 : 0) - before;
}

std::size_t FinnhubSubscribers::most_queued_bytes() const {
  std::size_t most = 0;
  for (const Connection* connection : std::views::values(connections_)) {
    if (connection->reachable()) most = std::max(most, connection->socket->queued_bytes());
  }
  return most;
}

std::vector<FinnhubSubscribers::ConnectionId> FinnhubSubscribers::connections() const {
  const auto ids = std::views::keys(connections_);
  return {ids.begin(), ids.end()};
}

std::vector<std::string> FinnhubSubscribers::symbols_of(ConnectionId id) const {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return {};
  return {found->second->symbols.begin(), found->second->symbols.end()};
}

net::WebSocketConnection* FinnhubSubscribers::connection(ConnectionId id) {
  const auto found = connections_.find(id);
  return found == connections_.end() ? nullptr : found->second->socket;
}

}  // namespace finpipe
