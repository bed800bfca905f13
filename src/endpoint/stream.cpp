#include "endpoint/stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <set>
#include <utility>

#include "base/time.h"
#include "codec/flat_json.h"
#include "endpoint/json_writer.h"
#include "endpoint/stream_client.h"
#include "pipeline/query.h"

namespace finpipe {
namespace {

// How far a snapshot of trades looks beyond its own rows for those that are held.
constexpr std::size_t kMaxTradesRead = 20'000;

std::shared_ptr<const StreamRow> row_of(const BarRow& row) {
  auto out = std::make_shared<StreamRow>(StreamRow{row.key.start_ms, json::version_of(row.bar)});
  json::append_bar(out->json, row);
  return out;
}

std::shared_ptr<const StreamRow> row_of(const Trade& trade) {
  auto out = std::make_shared<StreamRow>(StreamRow{trade.event_time_ms, trade.seq});
  json::append_trade(out->json, trade);
  return out;
}

// {"type":"<type>","channel":"bars","symbol":"…","interval":"1m","bars":[…]  and no closing brace.
std::string message_text(std::string_view type, const StreamSeries& series,
                         std::span<const std::shared_ptr<const StreamRow>> rows) {
  const std::string_view channel = to_string(series.channel);
  std::string text = fmt::format(R"({{"type":"{}","channel":"{}","symbol":)", type, channel);
  append_json_string(text, series.symbol);
  if (series.channel == StreamChannel::kBars)
    fmt::format_to(std::back_inserter(text), R"(,"interval":"{}")", to_string(series.interval));
  fmt::format_to(std::back_inserter(text), ",\"{}\":[", channel);
  for (const auto& row : rows) {
    json::append_comma(text);
    text += row->json;
  }
  return text + ']';
}

std::shared_ptr<const std::string> update_text(const StreamSeries& series,
                                               std::span<const std::shared_ptr<const StreamRow>> rows,
                                               std::int64_t dropped) {
  std::string text = message_text("update", series, rows);
  if (series.channel == StreamChannel::kTrades) fmt::format_to(std::back_inserter(text), ",\"dropped\":{}", dropped);
  return std::make_shared<const std::string>(text + '}');
}

// At least one message, of at most `most` rows each.
std::vector<std::shared_ptr<const std::string>> update_texts(const StreamSeries& series, const StreamRows& rows,
                                                             std::int64_t dropped, std::size_t most) {
  std::vector<std::shared_ptr<const std::string>> texts;
  std::span<const std::shared_ptr<const StreamRow>> rest(rows);
  do {
    const auto some = rest.first(std::min(most, rest.size()));
    texts.push_back(update_text(series, some, texts.empty() ? dropped : 0));
    rest = rest.subspan(some.size());
  } while (!rest.empty());
  return texts;
}

std::shared_ptr<const std::string> status_text(std::string_view status) {
  return std::make_shared<const std::string>(
      fmt::format(R"({{"type":"update","channel":"status","status":{}}})", status));
}

}  // namespace

Streams::Streams(StreamParts parts, StreamLimits limits) : parts_(std::move(parts)), limits_(limits) {}
Streams::~Streams() = default;

std::unique_ptr<net::WebSocketHandler> Streams::new_client() { return std::make_unique<StreamClient>(*this); }

void Streams::subscribe(StreamClient& client, const StreamRequest& request) {
  using State = Subscription::State;
  auto owned = std::make_unique<Subscription>(&client, request.series, request.snapshot, request.from_ms);
  Subscription& subscription = *owned;
  client.subscriptions_.emplace(request.series, std::move(owned));
  readers_[request.series].push_back(&subscription);
  parts_.metrics.set(Metric::kStreamSubscriptions, static_cast<double>(++subscriptions_));
  if (request.series.channel == StreamChannel::kStatus) {
    if (const auto status = parts_.status(); status) client.send(StreamChannel::kStatus, status_text(*status));
    return;
  }
  subscription.state = State::kWaiting;
  const bool bars = request.series.channel == StreamChannel::kBars;
  subscription.watch =
      parts_.hub.watch(request.series.symbol, bars ? LiveHub::Channel::kBars : LiveHub::Channel::kTrades);
  by_watch_.emplace(subscription.watch, &subscription);
}

void Streams::unsubscribe(Subscription& subscription) {
  if (subscription.watch != 0) {
    parts_.hub.unwatch(subscription.watch);
    by_watch_.erase(subscription.watch);
  }
  const auto readers = readers_.find(subscription.series);
  std::erase(readers->second, &subscription);
  if (readers->second.empty()) readers_.erase(readers);
  StreamClient& client = *subscription.client;
  std::erase(client.ready_, &subscription);
  std::erase(client.holding_, &subscription);
  client.held_rows_ -= subscription.rows();
  parts_.metrics.set(Metric::kStreamSubscriptions, static_cast<double>(--subscriptions_));
  client.subscriptions_.erase(client.subscriptions_.find(subscription.series));
}

void Streams::push_status() {
  const auto readers = readers_.find(StreamSeries{});
  if (readers == readers_.end()) return;
  const auto status = parts_.status();
  if (!status) return;
  const auto text = status_text(*status);
  for (const Subscription* reader : readers->second)
    if (reader->client->has_room()) reader->client->send(StreamChannel::kStatus, text);
}

void Streams::deliver() {
  const LiveHub::Updates updates = parts_.hub.take();
  if (updates.overflowed) {
    for (StreamClient* client : clients_)
      client->disconnect(1013, "overflow", "too much changed at once: connect and subscribe again");
    return;
  }
  deliver_bars(updates.bars);
  deliver_trades(updates);
  for (const LiveHub::Watch watch : updates.covered) {
    if (const auto covered = by_watch_.find(watch); covered != by_watch_.end()) make_ready(*covered->second);
  }
}

void Streams::deliver_bars(std::span<const BarRow> rows) {
  while (!rows.empty()) {
    const BarKey& key = rows.front().key;
    const auto end = std::ranges::find_if(
        rows, [&key](const BarRow& row) { return row.key.symbol != key.symbol || row.key.interval != key.interval; });
    const auto series = rows.first(static_cast<std::size_t>(end - rows.begin()));
    rows = rows.subspan(series.size());
    const auto readers = readers_.find({StreamChannel::kBars, key.symbol, key.interval});
    if (readers == readers_.end()) continue;
    StreamRows texts;
    for (const BarRow& row : series) texts.push_back(row_of(row));
    deliver_rows(readers->first, readers->second, texts, 0);
  }
}

void Streams::deliver_trades(const LiveHub::Updates& updates) {
  std::map<std::string_view, std::vector<const LiveTrade*>> by_symbol;
  for (const auto& [symbol, dropped] : updates.dropped) by_symbol[symbol];
  for (const LiveTrade& trade : updates.trades) by_symbol[trade.symbol].push_back(&trade);
  for (const auto& [symbol, trades] : by_symbol) {
    const auto readers = readers_.find({StreamChannel::kTrades, std::string(symbol)});
    if (readers == readers_.end()) continue;
    StreamRows rows;
    for (const LiveTrade* trade : trades) rows.push_back(row_of(trade->view()));
    const auto dropped = updates.dropped.find(symbol);
    deliver_rows(readers->first, readers->second, rows, dropped == updates.dropped.end() ? 0 : dropped->second);
  }
}

void Streams::deliver_rows(const StreamSeries& series, const Readers& readers, const StreamRows& rows,
                           std::int64_t dropped) {
  std::vector<std::shared_ptr<const std::string>> texts;  // written when the first reader needs them
  for (Subscription* reader : readers) {
    StreamClient& client = *reader->client;
    if (reader->state != Subscription::State::kLive || !client.has_room()) {
      hold(*reader, rows, dropped);
      continue;
    }
    if (texts.empty()) texts = update_texts(series, rows, dropped, limits_.message_rows);
    for (const auto& text : texts) client.send(series.channel, text);
    if (dropped > 0) parts_.metrics.add(Metric::kStreamDroppedTrades, static_cast<double>(dropped));
  }
}

void Streams::hold(Subscription& subscription, const StreamRows& rows, std::int64_t dropped) {
  StreamClient& client = *subscription.client;
  if (client.closing_) return;
  const bool live = subscription.state == Subscription::State::kLive;
  const std::size_t held_before = subscription.rows();
  std::int64_t conflated = 0;
  subscription.dropped += dropped;
  for (const auto& row : rows) {
    if (subscription.series.channel == StreamChannel::kTrades) {
      subscription.trades.push_back(row);
      continue;
    }
    const auto [at, is_new] = subscription.bars.try_emplace(row->time_ms, row);
    if (is_new) continue;
    ++conflated;
    if (row->number > at->second->number) at->second = row;
  }
  const std::size_t bound = live ? limits_.held_trades : limits_.waiting_trades;
  for (; subscription.trades.size() > bound; subscription.trades.pop_front()) ++subscription.dropped;
  client.held_rows_ += subscription.rows() - held_before;
  if (!live) return;
  parts_.metrics.add(Metric::kStreamConflatedBars, static_cast<double>(conflated));
  list(subscription);
  if (client.held_rows_ > limits_.held_rows)
    client.disconnect(1008, "too_far_behind", "too far behind: connect and subscribe again");
}

void Streams::list(Subscription& subscription) {
  if (subscription.listed || (subscription.rows() == 0 && subscription.dropped == 0)) return;
  subscription.listed = true;
  subscription.client->holding_.push_back(&subscription);
}

void Streams::send_held(Subscription& subscription) {
  StreamClient& client = *subscription.client;
  while (client.has_room() && (subscription.rows() > 0 || subscription.dropped > 0)) {
    StreamRows rows;
    while (rows.size() < limits_.message_rows && !subscription.bars.empty())
      rows.push_back(std::move(subscription.bars.extract(subscription.bars.begin()).mapped()));
    for (; rows.size() < limits_.message_rows && !subscription.trades.empty(); subscription.trades.pop_front())
      rows.push_back(std::move(subscription.trades.front()));
    client.held_rows_ -= rows.size();
    const std::int64_t dropped = std::exchange(subscription.dropped, 0);
    if (dropped > 0) parts_.metrics.add(Metric::kStreamDroppedTrades, static_cast<double>(dropped));
    client.send(subscription.series.channel, update_text(subscription.series, rows, dropped));
  }
  list(subscription);
}

void Streams::make_ready(Subscription& subscription) {
  subscription.state = Subscription::State::kReady;
  subscription.client->ready_.push_back(&subscription);
  schedule(*subscription.client);
}

void Streams::schedule(StreamClient& client) {
  if (client.in_turn_ || client.ready_.empty() || !client.has_room()) return;
  client.in_turn_ = true;
  ready_.push_back(&client);
  post_turn();
}

void Streams::post_turn() {
  if (scheduled_ || ready_.empty()) return;
  scheduled_ = true;
  parts_.post([this, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    scheduled_ = false;
    serve_next();
    post_turn();
  });
}

void Streams::serve_next() {
  while (!ready_.empty()) {
    StreamClient& client = *ready_.front();
    ready_.pop_front();
    client.in_turn_ = false;
    if (client.ready_.empty() || !client.has_room()) continue;  // when it has room it takes its turn again
    Subscription& subscription = *client.ready_.front();
    client.ready_.pop_front();
    serve(subscription);
    return schedule(client);
  }
}

void Streams::serve(Subscription& subscription) {
  const std::int64_t begin_ns = parts_.clock.boot_ns();
  const StreamClient& client = *subscription.client;
  deliver();  // what is held now, the snapshot may have already
  if (client.closing_) return;
  const auto snapshot = read_snapshot(subscription);
  if (!snapshot) return subscription.client->disconnect(1011, {}, "the store cannot be read");
  deliver();  // what the snapshot has was told before it was stored: now it is held, if it was not sent
  if (client.closing_) return;
  forget(*snapshot, subscription);
  subscription.state = Subscription::State::kLive;
  std::string text = message_text("snapshot", subscription.series, snapshot->rows) + '}';
  subscription.client->send(subscription.series.channel, std::make_shared<const std::string>(std::move(text)));
  send_held(subscription);
  const auto took_ns = static_cast<double>(parts_.clock.boot_ns() - begin_ns);
  parts_.metrics.observe(Metric::kStreamSnapshotSeconds, took_ns / static_cast<double>(kNsPerSecond));
}

Result<Streams::Snapshot> Streams::read_snapshot(const Subscription& subscription) {
  Snapshot snapshot;
  FINPIPE_TRY(subscription.series.channel == StreamChannel::kBars ? read_bars(subscription, snapshot)
                                                                  : read_trades(subscription, snapshot));
  std::ranges::reverse(snapshot.rows);
  return snapshot;
}

Result<void> Streams::read_bars(const Subscription& subscription, Snapshot& snapshot) {
  const auto limit = static_cast<std::size_t>(subscription.snapshot);
  if (limit == 0) return {};
  FINPIPE_TRY_ASSIGN(reader, BarReader::open(parts_.query));
  const auto& [channel, symbol, interval] = subscription.series;
  const auto see = [&](const BarRow& row) {
    snapshot.rows.push_back(row_of(row));
    return snapshot.rows.size() < limit;
  };
  return reader.bars({symbol, interval, subscription.from_ms.value_or(std::numeric_limits<std::int64_t>::min())}, see,
                     Order::kDescending);
}

// Reads on until it has passed every trade that is held, to know which of them are in the store.
Result<void> Streams::read_trades(const Subscription& subscription, Snapshot& snapshot) {
  const auto limit = static_cast<std::size_t>(subscription.snapshot);
  std::int64_t oldest_held_ms = std::numeric_limits<std::int64_t>::max();
  for (const auto& row : subscription.trades) oldest_held_ms = std::min(oldest_held_ms, row->time_ms);
  if (limit == 0 && subscription.trades.empty()) return {};
  FINPIPE_TRY_ASSIGN(symbols, parts_.query.symbols());
  if (std::ranges::find(symbols, subscription.series.symbol, &SymbolRow::symbol) == symbols.end()) return {};
  const auto see = [&](const Tick& tick) {
    if (snapshot.rows.size() < limit) snapshot.rows.push_back(row_of(tick.trade));
    snapshot.trades.emplace(tick.trade.event_time_ms, tick.trade.seq);
    const bool passed = tick.trade.event_time_ms < oldest_held_ms || snapshot.trades.size() >= kMaxTradesRead;
    return snapshot.rows.size() < limit || !passed;
  };
  return parts_.query.ticks({subscription.series.symbol}, see, Order::kDescending);
}

void Streams::forget(const Snapshot& snapshot, Subscription& subscription) {
  const std::size_t held_before = subscription.rows();
  std::erase_if(subscription.trades,
                [&](const auto& row) { return snapshot.trades.contains({row->time_ms, row->number}); });
  for (const auto& row : snapshot.rows) {
    const auto held = subscription.bars.find(row->time_ms);
    if (held != subscription.bars.end() && held->second->number <= row->number) subscription.bars.erase(held);
  }
  subscription.client->held_rows_ -= held_before - subscription.rows();
}

}  // namespace finpipe
