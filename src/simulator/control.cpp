// The control requests of a SimulatorSession.
#include <fmt/format.h>

#include <charconv>
#include <iterator>

#include "base/hash.h"
#include "base/time.h"
#include "codec/flat_json.h"
#include "net/url.h"
#include "simulator/session.h"

namespace finpipe {
namespace {

net::HttpResponse answer(int status, std::string body) { return {.status = status, .body = std::move(body)}; }

net::HttpResponse error(int status, std::string_view message) {
  std::string body = R"({"error":)";
  append_json_string(body, message);
  body += '}';
  return answer(status, std::move(body));
}

bool is_loopback(std::string_view address) {
  return address.starts_with("127.") || address == "::1" || address.starts_with("::ffff:127.");
}

// The number behind ?after=; 0 without it, nullopt when it is none.
std::optional<std::int64_t> after_of(std::string_view target) {
  const std::size_t mark = target.find('?');
  if (mark == std::string_view::npos) return 0;
  const auto query = net::parse_query(target.substr(mark + 1));
  if (!query) return std::nullopt;
  std::int64_t after = 0;
  for (const auto& [name, value] : *query) {
    if (name != "after") continue;
    const auto [end, failure] = std::from_chars(value.data(), value.data() + value.size(), after);
    if (failure != std::errc{} || end != value.data() + value.size()) return std::nullopt;
  }
  return after;
}

}  // namespace

net::HttpResponse SimulatorSession::handle(const net::HttpRequest& request) {
  const auto path = net::safe_path(request.target);
  if (!path || !path->starts_with("/control/"))
    return error(404, "This is a WebSocket endpoint: connect to it as one.");
  if (auto refused = refuse_control(request)) return std::move(*refused);
  if (*path == "/control/status" && request.method == "GET") return answer(200, status());
  if (*path == "/control/record" && request.method == "GET") {
    const auto after = after_of(request.target);
    if (!after) return error(400, "after must be a whole number");
    net::HttpResponse response = answer(200, record_.lines_after(*after));
    response.content_type = "application/x-ndjson";
    return response;
  }
  if (*path == "/control/fault" && request.method == "POST") {
    const auto fault = parse_fault(request.body);
    if (!fault) return error(400, fault.error().message());
    return answer(200, fmt::format(R"({{"kind":"{}","met":{}}})", to_string(fault->kind), commit(*fault)));
  }
  return error(404, "There are GET /control/status, GET /control/record and POST /control/fault.");
}

std::optional<net::HttpResponse> SimulatorSession::refuse_control(const net::HttpRequest& request) const {
  if (!is_loopback(request.remote)) return error(403, "Control is for programs on the same machine.");
  // A page in a browser on this machine is not its user.
  if (!request.header("Origin").empty()) return error(403, "Control is not for web pages.");
  if (options_.control_token.empty()) return std::nullopt;
  if (equal_in_constant_time(request.header("Authorization"), "Bearer " + options_.control_token)) return std::nullopt;
  return error(401, "Control needs its token, as Authorization: Bearer.");
}

std::string SimulatorSession::status() {
  const FinnhubSubscribers::Counts& counts = subscribers_.counts();
  const LoopedTape& tape = *options_.tape;
  const LoopedTape::Position position = player_ ? player_->position() : LoopedTape::Position{};
  std::string text = fmt::format(
      R"({{"at":{},"tape":{{"frames":{},"trades":{},"loop_ms":{},"loop":{},"frame":{},"playing":{},"ended":{},"skipped":{}}},)",
      clock_.now_ns(), tape.frames(), tape.trades(), tape.loop_ns() / kNsPerMs, position.loop, position.frame,
      player_.has_value(), player_ && player_->ended(), player_ ? player_->skipped_frames() : 0);
  fmt::format_to(
      std::back_inserter(text),
      R"("sent":{{"frames":{},"trades":{}}},"opened":{},"refused":{},"dropped":{},"faults":{},"refusals_left":{},)",
      counts.frames, counts.trades, counts.opened, refused_, counts.dropped, faults_.committed(),
      faults_.refusals_left());
  fmt::format_to(std::back_inserter(text), R"("record":{{"lines":{},"damaged":{}}},"connections":[)", record_.lines(),
                 record_.damaged());
  std::string_view comma;
  for (const auto& [id, peer] : faults_.peers()) {
    fmt::format_to(std::back_inserter(text), R"({}{{"id":{},"opened_at":{},"muted":{},"queued_bytes":{},"symbols":[)",
                   std::exchange(comma, ","), id, peer.opened_ns, peer.muted,
                   subscribers_.connection(id)->queued_bytes());
    std::string_view symbol_comma;
    for (const std::string& symbol : subscribers_.symbols_of(id)) {
      text += std::exchange(symbol_comma, ",");
      append_json_string(text, symbol);
    }
    text += "]}";
  }
  return text + "]}";
}

}  // namespace finpipe
