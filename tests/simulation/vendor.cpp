#include "vendor.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/time.h"

namespace finpipe::simulation {
namespace {

constexpr std::int64_t kPingMs = 2'000;
constexpr std::int64_t kPrices = 1'000'003;  // a prime

std::string dollars(std::int64_t cents) { return fmt::format("{}.{:02}", cents / 100, cents % 100); }

std::string json_of(const VendorTrade& trade, std::string_view symbol) {
  return fmt::format(R"({{"c":{},"p":{},"s":"{}","t":{},"v":{}}})", trade.conditions, dollars(trade.price_cents),
                     symbol, trade.event_ms, trade.volume);
}

}  // namespace

Vendor::Vendor(Random& random, std::vector<std::string> symbols, std::int64_t start_ms)
    : random_(random),
      symbols_(std::move(symbols)),
      next_ms_(symbols_.size(), start_ms),
      delay_ms_(random.between(10, 2'000)),
      next_ping_ms_(start_ms) {}

std::optional<std::size_t> Vendor::trade_of(std::string_view price) const {
  const auto found = by_price_.find(std::string(price));
  return found == by_price_.end() ? std::nullopt : std::optional(found->second);
}

std::shared_ptr<Wire> Vendor::connect(std::int64_t now_ms) {
  if (wire_) {
    ++counts_.too_many;
    // It finds out, sooner or later, whether the other one is still there.
    if (wire_->half_open) wire_->vendor_ends_ms = std::min(wire_->vendor_ends_ms, now_ms + 5'000);
    return nullptr;
  }
  wire_ = std::make_shared<Wire>();
  wire_->latency_ms = random_.between(1, 150);
  if (random_.chance(0.1)) wire_->invalid = random_.below(symbols_.size());
  if (random_.chance(0.1)) wire_->max_subscriptions = symbols_.size() - 1;
  return wire_;
}

void Vendor::pass(std::int64_t now_ms, bool calm, bool may_slow) {
  if (calm) {
    delay_ms_ = std::min<std::int64_t>(delay_ms_, 2'000);
  } else if (may_slow && random_.chance(0.002)) {
    const std::int64_t before_ms = std::exchange(delay_ms_, random_.between(10, random_.chance(0.2) ? 40'000 : 2'000));
    if (delay_ms_ > before_ms + kMsPerSecond) ++counts_.slow;
  }
  listen(now_ms);
  if (open_) trade(now_ms, calm);
  leave(now_ms, calm);
  if (now_ms >= next_ping_ms_) {
    next_ping_ms_ = now_ms + kPingMs;
    send({R"({"type":"ping"})", {}}, now_ms);
  }
}

// What its client asks for, and whether that is still there.
void Vendor::listen(std::int64_t now_ms) {
  if (!wire_) return;
  for (; !wire_->to_vendor.empty() && wire_->to_vendor.front().at_ms <= now_ms; wire_->to_vendor.pop_front()) {
    if (wire_->half_open) continue;
    const auto& text = wire_->to_vendor.front().text;
    if (!text) {
      wire_->to_host.push_back({now_ms + wire_->latency_ms, Wire::ToHost::Kind::kPong});
      continue;
    }
    const auto named = std::ranges::find_if(
        symbols_, [&](const std::string& symbol) { return text->contains(fmt::format(R"("symbol":"{}")", symbol)); });
    const auto symbol = static_cast<std::size_t>(named - symbols_.begin());
    if (wire_->invalid == symbol) {
      ++counts_.refusals;
      send({fmt::format(R"({{"msg":"Invalid symbol {}","type":"error"}})", *named), {}}, now_ms);
    } else if (wire_->subscribed.size() >= wire_->max_subscriptions) {
      ++counts_.refusals;
      send({R"({"msg":"Subscribing to too many symbols","type":"error"})", {}}, now_ms);
    } else {
      wire_->subscribed.insert(symbol);
    }
  }
  if (now_ms < wire_->vendor_ends_ms) return;
  if (!wire_->half_open) wire_->to_host.push_back({now_ms + wire_->latency_ms, Wire::ToHost::Kind::kEnd});
  wire_.reset();
  held_.reset();
}

void Vendor::trade(std::int64_t now_ms, bool calm) {
  for (std::size_t symbol = 0; symbol < symbols_.size(); ++symbol) {
    for (; next_ms_[symbol] < now_ms; next_ms_[symbol] += random_.between(5, 1'000)) {
      make_trade(symbol, next_ms_[symbol], calm);
    }
  }
  if (calm || !random_.chance(0.001)) return;
  ++counts_.bursts;
  const std::size_t symbol = random_.below(symbols_.size());
  for (std::int64_t left = random_.between(20, 60); left > 0; --left) {
    make_trade(symbol, now_ms - random_.between(0, 3), true);
  }
}

void Vendor::make_trade(std::size_t symbol, std::int64_t event_ms, bool calm) {
  VendorTrade trade{.symbol = symbol, .event_ms = event_ms, .volume = random_.between(1, 500), .conditions = "null"};
  trade.price_cents = 1 + static_cast<std::int64_t>(trades_.size()) * 7'919 % kPrices;
  const bool us_stock = !symbols_[symbol].contains(':');
  if (us_stock && random_.chance(0.5)) {
    trade.conditions = fmt::format(R"(["1","{}"])", random_.chance(0.5) ? 12 : random_.between(2, 41));
  }
  if (!calm && random_.chance(0.002)) {
    trade.possible = false;
    const bool future = random_.chance(0.5);
    ++(future ? counts_.far_future : counts_.ancient);
    trade.event_ms = future ? event_ms + random_.between(400, 20'000) * kMsPerDay : event_ms / kMsPerSecond;
  }
  ++counts_.trades;
  by_price_.emplace(dollars(trade.price_cents), trades_.size());
  // What became faster does not overtake what happened before.
  newest_leave_ms_ = std::max(newest_leave_ms_, event_ms + delay_ms_);
  waiting_.emplace(newest_leave_ms_ + random_.between(0, 60), trades_.size());
  trades_.push_back(std::move(trade));
}

Vendor::Frame Vendor::frame_of(std::vector<std::size_t> trades) const {
  std::string text = R"({"data":[)";
  for (const std::size_t number : trades) {
    if (text.back() != '[') text += ',';
    text += json_of(trades_[number], symbols_[trades_[number].symbol]);
  }
  return {text + R"(],"type":"trade"})", std::move(trades)};
}

// In frames of a few, nearly in the order in which they happened.
void Vendor::leave(std::int64_t now_ms, bool calm) {
  std::vector<std::size_t> next;
  const auto flush = [&] {
    if (next.empty()) return;
    Frame frame = frame_of(std::exchange(next, {}));
    if (!calm && !held_ && random_.chance(0.01)) {
      held_ = std::move(frame);
      return;
    }
    send(frame, now_ms);
    if (held_) {
      if (wire_) ++counts_.reordered;
      send(*std::exchange(held_, std::nullopt), now_ms);
    }
    if (calm || !wire_ || !random_.chance(0.01)) return;
    ++counts_.duplicates;
    send(frame, now_ms);
  };
  for (; !waiting_.empty() && waiting_.begin()->first < now_ms; waiting_.erase(waiting_.begin())) {
    const std::size_t number = waiting_.begin()->second;
    if (!wire_ || !wire_->subscribed.contains(trades_[number].symbol)) continue;
    next.push_back(number);
    if (next.size() >= 6 || random_.chance(0.4)) flush();
  }
  flush();
}

void Vendor::send(const Frame& frame, std::int64_t now_ms) {
  if (!wire_) return;
  for (const std::size_t number : frame.trades) ++trades_[number].sent;
  if (wire_->half_open || wire_->silent) return;
  wire_->to_host.push_back({now_ms + wire_->latency_ms, Wire::ToHost::Kind::kFrame, frame.text, frame.trades});
}

}  // namespace finpipe::simulation
