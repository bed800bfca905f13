#include "app/feed_parts.h"

#include <fmt/format.h>

#include <cstring>
#include <filesystem>
#include <utility>
#include <variant>

#include "app/client_tls.h"
#include "app/embedded_files.h"
#include "app/parts.h"
#include "app/urls.h"
#include "base/random.h"
#include "base/time.h"
#include "feeds/tape.h"
#include "logs/embedded_log.h"
#include "pipeline/ingest.h"
#include "simulator/rebased_history.h"
#include "telemetry/log.h"

namespace finpipe {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kDemoHistoryNs = std::int64_t{6} * 3'600 * kNsPerSecond;

// What is taken from a live feed when nobody says: some that trade around the clock, and some that most know.
const std::vector<std::string>& usual_symbols() {
  static const std::vector<std::string> symbols = {
      "BINANCE:BTCUSDT", "BINANCE:ETHUSDT", "OANDA:EUR_USD", "AAPL", "MSFT", "NVDA", "TSLA", "SPY"};
  return symbols;
}

Result<std::shared_ptr<net::TlsContext>> feed_tls(const Settings& settings) {
  return client_tls(settings.ca_file, settings.client_certificate, settings.client_key);
}

Random seeded_random() {
  const auto id = random_id();
  std::uint64_t seed = 0;
  std::memcpy(&seed, id.data(), sizeof seed);
  return Random(seed);
}

FinnhubWebSocketOptions live_options(const Settings& settings) {
  FinnhubWebSocketOptions options;
  options.token = settings.api_key;
  options.symbols = settings.symbols.empty() ? usual_symbols() : settings.symbols;
  options.time_scale = settings.feed_time_scale;
  return options;
}

FeedParts live_parts(FinnhubWebSocketOptions options, Clock& clock, std::string description) {
  FeedParts parts;
  parts.description = std::move(description);
  parts.symbols = options.symbols;
  parts.session_clock = std::make_unique<SessionClock>(clock);
  if (options.origin != "demo") {
    parts.host = options.host;
    parts.port = options.port;
    parts.tls = options.tls;
  }
  auto feed = std::make_unique<FinnhubWebSocketFeed>(std::move(options), clock, *parts.session_clock, seeded_random());
  parts.live = feed.get();
  parts.feed = std::move(feed);
  return parts;
}

Result<FeedParts> open_vendor(const Settings& settings, Clock& clock) {
  if (settings.api_key.empty()) return fail(ErrorCode::kMissingKey, "feed finnhub:");
  FinnhubWebSocketOptions options = live_options(settings);
  FINPIPE_TRY_ASSIGN(tls, feed_tls(settings));
  options.tls = std::move(tls);
  const std::string description =
      fmt::format("Live from Finnhub: {} symbols at wss://{}", options.symbols.size(), options.host);
  return live_parts(std::move(options), clock, description);
}

Result<FeedParts> open_server(const Settings& settings, const net::Url& url, Clock& clock) {
  FinnhubWebSocketOptions options = live_options(settings);
  options.host = url.host;
  options.port = url.port;
  options.base_path = url.target;
  if (url.tls()) {
    FINPIPE_TRY_ASSIGN(tls, feed_tls(settings));
    options.tls = std::move(tls);
  } else if (!options.token.empty() && !settings.insecure && url.host != "localhost" &&
             !ListenAddress{url.host}.loopback()) {
    return fail(ErrorCode::kBadUrl, "ws: would send the API key in the clear; use wss:, or say --insecure");
  }
  const std::string description =
      fmt::format("Live from {}://{}:{}: {} symbols", url.scheme, url.host, url.port, options.symbols.size());
  return live_parts(std::move(options), clock, description);
}

// The demo's vendor is in this process, and is talked to as the real one is: by TLS, with a key.
Result<FeedParts> open_demo(const Settings& settings, const DemoUrl& url, Clock& clock) {
  auto tape = url.tape.empty() ? LoopedTape::parse(std::string(embedded_tape())) : LoopedTape::read(url.tape);
  if (!tape) return fail(std::move(tape).error());
  SimulatorOptions options;
  options.tape = *tape;
  options.play = {.speed = 1, .loop = true, .rebase = true};
  options.start_ns = clock.wall_ns();
  options.tls = true;
  options.finnhub.tokens = {"demo"};
  const std::int64_t start_ns = *options.start_ns;
  FINPIPE_TRY_ASSIGN(simulator, Simulator::start(std::move(options)));
  FINPIPE_TRY_ASSIGN(tls,
                     net::TlsContext::client({.ca_pem = simulator->ca_pem(), .certificate_pem = {}, .key_pem = {}}));
  FinnhubWebSocketOptions live = live_options(settings);
  if (settings.symbols.empty()) live.symbols.assign((*tape)->symbols().begin(), (*tape)->symbols().end());
  live.host = "127.0.0.1";
  live.port = simulator->port();
  live.tls = std::move(tls);
  live.token = "demo";
  live.origin = "demo";
  FeedParts parts = live_parts(std::move(live), clock,
                               "Demo: no API key is set, so recorded trades are played again as if they came now");
  parts.tape = *std::move(tape);
  parts.tape_start_ns = start_ns;
  parts.simulator = std::move(simulator);
  return parts;
}

}  // namespace

void choose_feed(Settings& settings) {
  if (settings.feed.empty()) settings.feed = settings.api_key.empty() ? "sim:" : "finnhub:";
  if (!settings.feed.starts_with("sim:")) return;
  if (settings.log_is_default) settings.log = kDemoLog;
  if (settings.store_is_default) settings.store = kDemoStore;
}

Result<FeedParts> open_feed(const Settings& settings, Clock& clock) {
  FINPIPE_TRY_ASSIGN(url, parse_feed_url(settings.feed));
  if (const auto* demo = std::get_if<DemoUrl>(&url)) return open_demo(settings, *demo, clock);
  if (std::holds_alternative<VendorUrl>(url)) return open_vendor(settings, clock);
  if (const auto* server = std::get_if<net::Url>(&url)) return open_server(settings, *server, clock);
  const std::string& path = std::get<TapeUrl>(url).path;
  FINPIPE_TRY_ASSIGN(tape, TapeFeed::open(path));
  FeedParts parts;
  parts.description = fmt::format("Playing the tape {}", path);
  parts.symbols = settings.symbols;
  parts.feed = std::move(tape);
  return parts;
}

Result<void> fill_demo_log(const Settings& settings, const FeedParts& parts,
                           const std::vector<MarketPolicy>& policies) {
  FINPIPE_TRY_ASSIGN(url, parse_log_url(settings.log));
  if (!std::holds_alternative<DirectoryUrl>(url)) return {};
  const std::string& directory = std::get<DirectoryUrl>(url).directory;
  std::error_code error;
  if (fs::exists(directory, error) && !fs::is_empty(directory, error)) return {};
  const std::string filling = directory + ".filling";
  fs::remove_all(filling, error);
  {
    FINPIPE_TRY_ASSIGN(log, EmbeddedLog::open(filling, {.partitions = settings.partitions}));
    const auto reader = log->reader();
    const auto letters = log->dead_letters();
    RebasedHistory history(parts.tape, {.start_ns = parts.tape_start_ns,
                                        .from_ns = parts.tape_start_ns - kDemoHistoryNs,
                                        .to_ns = parts.tape_start_ns});
    IngestOptions options;
    options.symbols = parts.symbols;
    options.policies = policies;
    Ingest ingest(history, *reader, log->writer(), *letters, std::move(options));
    FINPIPE_TRY(ingest.start());
    while (!history.exhausted()) FINPIPE_TRY(ingest.step());
    FINPIPE_TRY(ingest.stop());
    log_info("the demo's log begins with six hours of the tape",
             {{"trades", fmt::to_string(ingest.counts().appended)}});
  }
  fs::remove(directory, error);  // an empty one
  fs::rename(filling, directory, error);
  if (error) return fail(ErrorCode::kIo, fmt::format("{}: {}", directory, error.message()));
  return {};
}

}  // namespace finpipe
