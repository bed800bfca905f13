#include "live_latency/readers.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <future>
#include <optional>
#include <string_view>
#include <utility>

namespace finpipe::live_latency {
namespace {

constexpr std::string_view kUpdate = R"({"type":"update")";
constexpr std::string_view kSnapshot = R"({"type":"snapshot")";

// The number behind `key`, which is looked for from `at` on; `at` moves behind the key.
std::optional<std::int64_t> number_after(std::string_view text, std::string_view key, std::size_t& at) {
  at = text.find(key, at);
  if (at == std::string_view::npos) return std::nullopt;
  at += key.size();
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;
  return number;
}

std::string_view symbol_of(std::string_view message) {
  constexpr std::string_view kKey = R"("symbol":")";
  const std::size_t at = message.find(kKey);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = message.substr(at + kKey.size());
  return rest.substr(0, rest.find('"'));
}

// Makes the call in the loop and waits for it.
void call(LoopThread& thread, net::EventLoop::Call what) {
  std::promise<void> done;
  thread.loop().post([&what, &done] {
    what();
    done.set_value();
  });
  done.get_future().wait();
}

}  // namespace

void LoopThread::stop() {
  if (!thread_.joinable()) return;
  loop_.post([this] { loop_.stop(); });
  thread_.join();
}

// ---- Bars ----------------------------------------------------------------------------------------------------------

class BarReaders::Reader final : public net::WebSocketClient::Handler {
 public:
  Reader(BarReaders& owner, net::EventLoop& loop, std::uint16_t port, std::vector<std::size_t> symbols)
      : owner_(owner), client_(loop, *this) {
    const std::vector<std::string> names = symbol_names(std::ranges::max(symbols) + 1);
    for (const std::size_t symbol : symbols) series_.push_back({symbol, names[symbol], {}});
    client_.connect({.host = "127.0.0.1", .port = port, .target = "/api/v1/stream"});
  }

  void expect(const Schedule& schedule) {
    schedule_ = &schedule;
    for (const Series& series : series_) missing_ += schedule.trades_of(series.symbol);
    owner_.outstanding_ += missing_;
  }
  void report(Seen& seen) const {
    seen.latency.add(latency_);
    seen.missing += missing_;
    seen.updates += updates_;
    seen.disconnected += disconnected_ ? 1 : 0;
  }

 private:
  struct Series {
    std::size_t symbol;
    std::string name;
    std::vector<std::size_t> arrived;  // trades of each bar
  };

  void on_open() override {
    for (const Series& series : series_) {
      client_.send(fmt::format(R"({{"type":"subscribe","channel":"bars","symbol":"{}","interval":"1s","snapshot":0}})",
                               series.name));
    }
  }
  void on_pong() override {}
  void on_end(const net::ConnectionEnd& /*end*/) override { disconnected_ = true; }

  void on_message(std::string_view message) override {
    const std::int64_t now_ns = owner_.clock_.boot_ns();
    if (message.starts_with(kSnapshot)) {
      --owner_.waiting_;
    } else if (message.starts_with(kUpdate) && schedule_ != nullptr) {
      ++updates_;
      const auto series = std::ranges::find(series_, symbol_of(message), &Series::name);
      if (series != series_.end()) take_bars(*series, message, now_ns);
    }
  }

  void take_bars(Series& series, std::string_view message, std::int64_t now_ns) {
    for (std::size_t at = 0;;) {
      const auto start_ms = number_after(message, R"("start":)", at);
      if (!start_ms) return;
      const auto trades = number_after(message, R"("trades":)", at);
      if (!trades) return;
      arrive(series, *start_ms, static_cast<std::size_t>(*trades), now_ns);
    }
  }

  void arrive(Series& series, std::int64_t start_ms, std::size_t trades, std::int64_t now_ns) {
    const auto due = schedule_->due_in_bar(series.symbol, start_ms);
    if (due.empty()) return;
    const auto bar = static_cast<std::size_t>(schedule_->bar_index(start_ms));
    if (series.arrived.size() <= bar) series.arrived.resize(bar + 1);
    std::size_t& arrived = series.arrived[bar];
    const std::size_t before = arrived;
    for (; arrived < std::min(trades, due.size()); ++arrived) {
      if (schedule_->measured(due[arrived])) latency_.add(now_ns - due[arrived]);
    }
    missing_ -= static_cast<std::int64_t>(arrived - before);
    owner_.outstanding_ -= static_cast<std::int64_t>(arrived - before);
  }

  BarReaders& owner_;
  std::vector<Series> series_;
  const Schedule* schedule_ = nullptr;
  Samples latency_;
  std::int64_t missing_ = 0;
  std::int64_t updates_ = 0;
  bool disconnected_ = false;
  net::WebSocketClient client_;
};

BarReaders::BarReaders(Clock& clock, std::uint16_t port, std::size_t count, std::size_t symbols,
                       std::size_t symbols_each)
    : clock_(clock), waiting_(static_cast<std::int64_t>(count * symbols_each)) {
  call(thread_, [&] {
    for (std::size_t i = 0; i < count; ++i) {
      std::vector<std::size_t> own;
      for (std::size_t k = 0; k < symbols_each; ++k) own.push_back((i * symbols_each + k) % symbols);
      readers_.push_back(std::make_unique<Reader>(*this, thread_.loop(), port, std::move(own)));
    }
  });
}

BarReaders::~BarReaders() {
  call(thread_, [this] { readers_.clear(); });
}

void BarReaders::expect(const Schedule& schedule) {
  call(thread_, [&] {
    for (const auto& reader : readers_) reader->expect(schedule);
  });
}

BarReaders::Seen BarReaders::finish() {
  Seen seen;
  call(thread_, [&] {
    for (const auto& reader : readers_) reader->report(seen);
    readers_.clear();
  });
  seen.latency.sort();
  return seen;
}

// ---- Frames --------------------------------------------------------------------------------------------------------

DirectReader::DirectReader(Clock& clock, std::uint16_t vendor_port) : clock_(clock), port_(vendor_port) {
  call(thread_, [this] {
    client_ = std::make_unique<net::WebSocketClient>(thread_.loop(), static_cast<Handler&>(*this));
    client_->connect({.host = "127.0.0.1", .port = port_});
  });
}

DirectReader::~DirectReader() {
  call(thread_, [this] { client_ = nullptr; });
}

void DirectReader::expect(const Schedule& schedule) {
  call(thread_, [&] {
    schedule_ = &schedule;
    outstanding_ = static_cast<std::int64_t>(schedule.frames().size());
  });
}

void DirectReader::on_message(std::string_view /*message*/) {
  const std::int64_t now_ns = clock_.boot_ns();
  if (schedule_ == nullptr || next_ == schedule_->frames().size()) return;
  const std::int64_t due_ns = schedule_->frames()[next_++].due_ns;
  if (schedule_->measured(due_ns)) latency_.add(now_ns - due_ns);
  --outstanding_;
}

void DirectReader::on_end(const net::ConnectionEnd& /*end*/) {}

Samples DirectReader::finish() {
  Samples seen;
  call(thread_, [&] { seen = std::exchange(latency_, {}); });
  seen.sort();
  return seen;
}

}  // namespace finpipe::live_latency
