// What clients of the endpoint send, behind HTTP itself, which Beast reads: query strings, the stream's JSON messages,
// URLs and paths, and the two headers that decide who may ask. The first byte says which. Pages of rows are held
// against a plain selection, JSON against RapidJSON, query strings against a simple reader; the rest must read the same
// twice.
#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <vector>

#include "base/time.h"
#include "codec/flat_json.h"
#include "codec/tests/simple_frame_reader.h"
#include "endpoint/access.h"
#include "endpoint/parameters.h"
#include "endpoint/query_api.h"
#include "endpoint/stream_request.h"
#include "harness.h"
#include "net/url.h"
#include "stores/memory_store.h"

namespace finpipe {
namespace {

// ---- Query strings -------------------------------------------------------------------------------------------------

constexpr std::string_view kSymbol = "BINANCE:BTCUSDT";
constexpr std::int64_t kStartMs = 1'723'161'240'000;
constexpr std::int64_t kRows = 12;

MemoryStore& store() {
  static MemoryStore store;
  static const bool filled = [] {
    Commit commit;
    commit.symbols = {{"AAPL", 0}, {std::string(kSymbol), 0}};
    for (std::int64_t i = 0; i < kRows; ++i) {
      BarRow& row =
          commit.bars.push_back(BarRow{{std::string(kSymbol), Interval::k1m, kStartMs + i * kMsPerMinute}, Bar()});
      row.bar.first = row.bar.last = {row.key.start_ms, i + 1, 1};
      row.bar.trades = row.bar.version = 1;
      Trade trade;
      trade.event_time_ms = kStartMs + i / 3;  // three in one millisecond
      trade.seq = i + 1;
      commit.add_tick(trade, kSymbol, i, {});
    }
    commit.spans.push_back({0, 1, 0, SpanRow::Kind::kGap, "", kStartMs, kStartMs + 100, "disconnected"});
    commit.spans.push_back({0, 2, 0, SpanRow::Kind::kFilled, "AAPL", kStartMs, kStartMs + 100, ""});
    (void)store.submit(std::move(commit));
    (void)store.poll();
    return true;
  }();
  fuzz::require(filled, "the store is empty");
  return store;
}

using Pairs = std::vector<std::pair<std::string, std::string>>;

std::optional<std::string> simple_decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out.push_back(' ');
    } else if (text[i] != '%') {
      out.push_back(text[i]);
    } else {
      unsigned value = 0;
      const std::string_view digits = text.substr(i + 1, 2);
      const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
      if (digits.size() != 2 || read.ec != std::errc{} || read.ptr != digits.data() + 2) return std::nullopt;
      out.push_back(static_cast<char>(value));
      i += 2;
    }
  }
  return out;
}

std::optional<Pairs> simple_query(const std::string& query) {
  Pairs pairs;
  for (std::size_t begin = 0; begin < query.size();) {
    const std::size_t end = std::min(query.find('&', begin), query.size());
    const std::string pair = query.substr(begin, end - begin);
    begin = end + 1;
    if (pair.empty()) continue;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    const auto name = simple_decode(pair.substr(0, equals));
    const auto value = simple_decode(equals == pair.size() ? "" : pair.substr(equals + 1));
    if (!name || !value) return std::nullopt;
    pairs.emplace_back(*name, *value);
  }
  return pairs;
}

std::optional<std::int64_t> simple_integer(const std::string& text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool can_be_symbol(const std::string& text) {
  const bool printable = std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
  return printable && !text.empty() && text.size() <= 64 && text.front() != ' ' && text.back() != ' ';
}

// Whether the values may be given; what of them selects rows is in `given`.
bool are_good(const std::map<std::string, std::string>& given) {
  const auto bad_time = [&](const char* name) { return given.contains(name) && !parse_time_ms(given.at(name)); };
  const auto limit = given.contains("limit") ? simple_integer(given.at("limit")) : std::optional<std::int64_t>(1);
  const bool order = !given.contains("order") || given.at("order") == "asc" || given.at("order") == "desc";
  if (bad_time("from") || bad_time("to") || !limit || *limit < 1 || *limit > 5'000 || !order) return false;
  if (given.contains("symbol") && !can_be_symbol(given.at("symbol"))) return false;
  if (given.contains("interval") && std::ranges::find(kIntervalNames, given.at("interval")) == kIntervalNames.end()) {
    return false;
  }
  return !given.contains("from") || !given.contains("to") ||
         *parse_time_ms(given.at("from")) <= *parse_time_ms(given.at("to"));
}

struct Row {
  std::int64_t time_ms = 0, seq = 0;
  auto operator<=>(const Row&) const = default;
};
struct Selection {
  std::vector<Row> rows;
  bool more = false;
};

// Whether the bars asked for are others than the stored ones as they stand: of another interval, filled, adjusted.
bool are_derived(const Pairs& pairs) {
  return std::ranges::any_of(pairs, [](const auto& pair) {
    const auto& [name, value] = pair;
    if (name == "interval") return std::ranges::find(kIntervalNames, value) == kIntervalNames.end();
    return name == "session" || name == "fill" || name == "adjusted" || name == "as_of";
  });
}

// The page that the parameters ask for; nullopt: they must be refused.
std::optional<Selection> simple_page(const Pairs& pairs, bool bars) {
  std::vector<std::string> names = {"symbol", "from", "to", "limit", "order", "cursor"};
  if (bars) names.emplace_back("interval");
  std::map<std::string, std::string> given;
  for (const auto& [name, value] : pairs) {
    if (std::ranges::find(names, name) == names.end() || !given.emplace(name, value).second) return std::nullopt;
  }
  if (!given.contains("symbol") || (bars && !given.contains("interval")) || !are_good(given)) return std::nullopt;
  std::optional<Row> after;
  if (given.contains("cursor")) {
    const std::string& text = given["cursor"];
    const std::size_t colon = text.find(':');
    const auto time_ms = simple_integer(bars ? text : text.substr(0, colon));
    const auto seq = bars ? std::optional<std::int64_t>(0)
                          : simple_integer(colon == std::string::npos ? "" : text.substr(colon + 1));
    if (!time_ms || !seq) return std::nullopt;
    after = {*time_ms, *seq};
  }
  std::vector<Row> rows;
  for (std::int64_t i = 0; i < kRows && given["symbol"] == kSymbol; ++i) {
    if (bars && given["interval"] == "1m") rows.push_back({kStartMs + i * kMsPerMinute, 0});
    if (!bars) rows.push_back({kStartMs + i / 3, i + 1});
  }
  const bool descending = given["order"] == "desc";
  if (descending) std::ranges::reverse(rows);
  std::erase_if(rows, [&](const Row& row) {
    if (given.contains("from") && row.time_ms < *parse_time_ms(given["from"])) return true;
    if (given.contains("to") && row.time_ms >= *parse_time_ms(given["to"])) return true;
    return after && (descending ? row >= *after : row <= *after);
  });
  const auto limit = static_cast<std::size_t>(given.contains("limit") ? *simple_integer(given["limit"]) : 500);
  const bool more = rows.size() > limit;
  rows.resize(std::min(rows.size(), limit));
  return Selection{rows, more};
}

std::int64_t number_after(std::string_view text, std::string_view key) {
  const std::size_t at = text.find(key);
  fuzz::require(at != std::string_view::npos, "a row has no key");
  std::int64_t value = 0;
  (void)std::from_chars(text.data() + at + key.size(), text.data() + text.size(), value);
  return value;
}

Selection told_by(std::string_view answer, bool bars) {
  Selection told;
  const std::string_view key = bars ? "{\"start\":" : "{\"time\":";
  for (std::size_t at = answer.find(key); at != std::string_view::npos; at = answer.find(key, at + 1)) {
    const std::string_view row = answer.substr(at);
    told.rows.push_back({number_after(row, key), bars ? 0 : number_after(row, "\"seq\":")});
  }
  told.more = !answer.ends_with("\"next\":null}");
  if (fuzz::canary() != 0 && told.more) told.rows.pop_back();
  return told;
}

void check_answer(const Result<std::string>& answer) {
  if (answer) {
    fuzz::require(FlatJson::parse(*answer).has_value(), "an answer is no JSON");
  } else {
    fuzz::require(answer.error().code == ErrorCode::kBadRequest, answer.error().message());
  }
}

void check_query(const std::string& query, bool bars) {
  const auto pairs = simple_query(query);
  const auto read = net::parse_query(query);
  fuzz::require(read.has_value() == pairs.has_value() && (!read || *read == *pairs), "other parameters");
  const auto expected = pairs ? simple_page(*pairs, bars) : std::nullopt;
  QueryApi api(store());
  const auto answer = bars ? api.bars(query) : api.trades(query);
  if (bars && pairs && are_derived(*pairs)) return check_answer(answer);
  if (answer.has_value() != expected.has_value()) {
    fuzz::differ(answer ? "it was answered: " + *answer : answer.error().message());
  }
  if (!answer) {
    fuzz::require(answer.error().code == ErrorCode::kBadRequest, answer.error().message());
    return;
  }
  fuzz::require(FlatJson::parse(*answer).has_value(), "an answer is no JSON");
  const Selection told = told_by(*answer, bars);
  if (told.rows != expected->rows || told.more != expected->more) {
    fuzz::differ(fmt::format("{} rows, more {}; expected {}, {}: {}", told.rows.size(), told.more,
                             expected->rows.size(), expected->more, *answer));
  }
}

void check_other_queries(const std::string& query) {
  QueryApi api(store());
  for (const auto& answer : {api.gaps(query), api.symbols(query), api.voids(query), api.revisions(query)}) {
    check_answer(answer);
  }
}

// ---- JSON messages -------------------------------------------------------------------------------------------------

int depth_of(const Json& value) {
  int deepest = 0;
  for (const Json& item : value.items) deepest = std::max(deepest, depth_of(item));
  return value.kind == Json::Kind::kArray || value.kind == Json::Kind::kObject ? deepest + 1 : 0;
}

// Whether a number is no plain whole number of 64 bits, about which the two readers may differ.
bool has_odd_number(const Json& value) {
  if (value.kind == Json::Kind::kNumber) {
    return value.text.size() > 18 || value.text == "-0" || value.text.find_first_of(".eE") != std::string::npos;
  }
  return std::ranges::any_of(value.items, has_odd_number);
}

void check_json(const std::string& text) {
  const JsonText read = read_json(text);
  const Json& json = read.root;
  const auto told = FlatJson::parse(text);
  if (read.too_large || has_odd_number(json)) return;
  const bool is_object = read.valid && json.kind == Json::Kind::kObject;
  if (is_object && depth_of(json) >= static_cast<int>(kMaxFlatJsonDepth)) return;
  if (told.has_value() != is_object) fuzz::differ(told ? "it is accepted" : told.error().message());
  if (!told) return;
  fuzz::require(told->names().size() == json.keys.size(), "other members");
  for (const std::string& key : json.keys) {
    const Json* last = nullptr;
    for (std::size_t i = 0; i < json.keys.size(); ++i) {
      if (json.keys[i] == key) last = &json.items[i];
    }
    const auto text_told = told->string(key);
    const bool is_text = last->kind == Json::Kind::kString;
    fuzz::require(text_told.has_value() == is_text && (!is_text || *text_told == last->text), "another text");
    const bool is_number = last->kind == Json::Kind::kNumber;
    fuzz::require(told->integer(key) == (is_number ? simple_integer(last->text) : std::nullopt), "another number");
    fuzz::require(told->boolean(key).has_value() == (last->kind == Json::Kind::kBool), "another truth");
  }
}

void check_json_string(std::string_view text) {
  std::string message = "{\"a\":";
  append_json_string(message, text);
  message += '}';
  const auto json = FlatJson::parse(message);
  fuzz::require(json.has_value() && json->string("a").has_value(), "a written text is no JSON");
  if (text.find_first_not_of("abcdefghijklmnopqrstuvwxyz\"\\\n\t/ ") == std::string_view::npos) {
    fuzz::require(json->string("a") == text, "a written text is another one");
  }
}

std::string written(const StreamRequest& request) {
  std::string out = fmt::format(R"({{"type":"{}","channel":"{}")", request.subscribe ? "subscribe" : "unsubscribe",
                                to_string(request.series.channel));
  if (request.series.channel == StreamChannel::kStatus) return out + "}";
  out += ",\"symbol\":";
  append_json_string(out, request.series.symbol);
  if (request.series.channel == StreamChannel::kBars) {
    out += fmt::format(R"(,"interval":"{}")", to_string(request.series.interval));
  }
  if (request.subscribe && request.from_ms) {
    out += fmt::format(",\"from\":{}", *request.from_ms);
  } else if (request.subscribe) {
    out += fmt::format(",\"snapshot\":{}", request.snapshot);
  }
  return out + "}";
}

void check_stream(const std::string& message) {
  const auto request = parse_stream_request(message);
  if (!request) {
    fuzz::require(request.error().code == ErrorCode::kBadRequest, request.error().message());
    return;
  }
  fuzz::require(request->series.channel == StreamChannel::kStatus || can_be_symbol(request->series.symbol),
                "a symbol that cannot be one");
  fuzz::require(request->snapshot >= 0 && request->snapshot <= kMaxSnapshot, "a snapshot is out of range");
  const auto again = parse_stream_request(written(*request));
  if (!again) fuzz::differ(again.error().message());
  fuzz::require(again->subscribe == request->subscribe && again->series == request->series &&
                    again->snapshot == request->snapshot && again->from_ms == request->from_ms,
                "a request is another one when it is written again");
}

// ---- URLs and headers ----------------------------------------------------------------------------------------------

void check_url(const std::string& text) {
  fuzz::require(net::percent_decode(net::percent_encode(text), true) == text, "an escaped text is another one");
  if (const auto url = net::parse_url(text)) {
    const bool v6 = url->host.find(':') != std::string::npos;
    const auto again = net::parse_url(
        fmt::format("{}://{}{}{}:{}{}", url->scheme, v6 ? "[" : "", url->host, v6 ? "]" : "", url->port, url->target));
    fuzz::require(again && again->scheme == url->scheme && again->host == url->host && again->port == url->port &&
                      again->target == url->target,
                  "a URL is another one when it is written again");
    fuzz::require(url->port != 0 && url->target.starts_with('/') && url->target.find(' ') == std::string::npos,
                  "a URL that cannot stand in a request");
  }
  const auto path = net::safe_path(text);
  if (!path) return;
  fuzz::require(path->starts_with('/') && path->find('\0') == std::string::npos &&
                    (*path + "/").find("/../") == std::string::npos && path->find("//") == std::string::npos,
                "a path that is not safe: " + *path);
  std::string escaped;
  for (const char c : *path) escaped += c == '/' ? "/" : net::percent_encode({&c, 1});
  fuzz::require(net::safe_path(escaped) == path, "a safe path is another one when it is read again");
}

void check_headers(std::string_view text) {
  const std::size_t cut = std::min(text.find('\n'), text.size());
  const std::string_view host = text.substr(0, cut);
  const std::string_view origin = text.substr(std::min(cut + 1, text.size()));
  const auto lower = [](std::string_view mixed) {
    std::string out(mixed);
    for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    return out;
  };
  for (const bool loopback : {false, true}) {
    if (!check_access(loopback, host, origin)) continue;
    const std::string asked = lower(host);
    constexpr std::array<std::string_view, 3> kOurs = {"localhost", "127.0.0.1", "[::1]"};
    const bool ours = std::ranges::any_of(
        kOurs, [&](std::string_view name) { return asked == name || asked.starts_with(std::string(name) + ":"); });
    fuzz::require(!loopback || asked.empty() || ours || asked.starts_with("[::1]"), "a foreign host");
    const std::string from = lower(origin);
    fuzz::require(from.empty() || from.starts_with("http://") || from.starts_with("https://"), "a foreign scheme");
    if (from.empty()) continue;
    const std::string of = from.substr(from.find("://") + 3);
    const bool same =
        of == asked || of + ":80" == asked || of + ":443" == asked || of == asked + ":80" || of == asked + ":443";
    fuzz::require(same, "a foreign origin");
  }
}

}  // namespace
}  // namespace finpipe

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace finpipe;
  fuzz::Script script({data, size});
  const std::size_t kind = script.below(7);
  const std::string text(script.rest());
  switch (kind) {
    case 0: check_query(text, true); break;
    case 1: check_query(text, false); break;
    case 2: check_other_queries(text); break;
    case 3: check_stream(text); break;
    case 4:
      check_json(text);
      check_json_string(text);
      break;
    case 5: check_url(text); break;
    default: check_headers(text);
  }
  return 0;
}
