#include "load/report.h"

#include <fmt/format.h>

#include <array>
#include <iterator>
#include <string_view>

#include "codec/flat_json.h"

namespace finpipe {
namespace {

constexpr double kNsInMs = 1e6;
constexpr auto kShownQuantiles = std::to_array<std::pair<std::string_view, double>>(
    {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"p99.99", 0.9999}});

double ms(std::int64_t ns) { return static_cast<double>(ns) / kNsInMs; }

std::string quoted(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

std::string flow_text(const FlowOptions& flow) {
  std::string text =
      fmt::format("{} symbols, Zipf {}, {}", flow.symbols, flow.zipf,
                  flow.tape ? "as on the tape" : fmt::format("1 to {} trades a frame", flow.max_trades_per_frame));
  const auto out = [&text] { return std::back_inserter(text); };
  if (flow.market == LoadMarket::kUsEquities) text += ", sale conditions of US equities";
  if (flow.bursts.factor > 1) {
    fmt::format_to(out(), ", bursts of {} times the rate for {} of {} ms", flow.bursts.factor, flow.bursts.length_ms,
                   flow.bursts.every_ms);
  }
  if (flow.bad > 0) fmt::format_to(out(), ", a bad frame for every {:.0f} good ones", 1 / flow.bad);
  fmt::format_to(out(), ", seed {}", flow.seed);
  return text;
}

std::string latency_text(const LatencyHistogram& latency) {
  std::string text;
  for (const auto& [name, quantile] : kShownQuantiles) {
    fmt::format_to(std::back_inserter(text), "{} {:.2f}  ", name, ms(latency.quantile_ns(quantile)));
  }
  fmt::format_to(std::back_inserter(text), "max {:.2f}  mean {:.2f} ms", ms(latency.max_ns()),
                 latency.mean_ns() / kNsInMs);
  return text;
}

std::string latency_json(const LatencyHistogram& latency) {
  std::string text = fmt::format(R"({{"count":{})", latency.count());
  for (const auto& [name, quantile] : kShownQuantiles) {
    fmt::format_to(std::back_inserter(text), R"(,"{}_ms":{:.6f})", name, ms(latency.quantile_ns(quantile)));
  }
  fmt::format_to(std::back_inserter(text), R"(,"max_ms":{:.6f},"mean_ms":{:.6f},"deviation_ms":{:.6f}}})",
                 ms(latency.max_ns()), latency.mean_ns() / kNsInMs, latency.deviation_ns() / kNsInMs);
  return text;
}

double rate_of(const RunReport& run) {
  return run.measured_ms == 0 ? 0
                              : static_cast<double>(run.latency.count()) * 1e3 / static_cast<double>(run.measured_ms);
}

void append_run_text(std::string& text, const RunReport& run) {
  const auto out = [&text] { return std::back_inserter(text); };
  const LoadRun::Counts& counts = run.counts;
  fmt::format_to(out(), "trades   {} due = {} sent + {} not sent; {} awaited = {} arrived + {} missing", counts.due,
                 counts.sent, counts.due - counts.sent, counts.awaited, counts.arrived,
                 counts.awaited - counts.arrived);
  if (counts.bad_frames > 0) fmt::format_to(out(), "; {} bad frames", counts.bad_frames);
  fmt::format_to(out(), "\nrate     {} trades/s asked for, {:.0f} arrived over {:.1f} s\n", run.trades_per_second,
                 rate_of(run), static_cast<double>(run.measured_ms) / 1e3);
  fmt::format_to(out(), "backlog  {:.0f} trades in the second quarter, {:.0f} in the last, {} at most\n",
                 run.figures.backlog_early, run.figures.backlog_late, run.largest_backlog);
  fmt::format_to(out(), "latency  {}\n", latency_text(run.latency));
  fmt::format_to(out(), "sent     late by p50 {:.2f}  p99 {:.2f}  max {:.2f} ms\n", ms(run.sent_late.quantile_ns(0.5)),
                 ms(run.sent_late.quantile_ns(0.99)), ms(run.sent_late.max_ns()));
  fmt::format_to(out(), "held     {}\n", run.held() ? "yes" : "no: " + run.not_held);
}

void append_run_json(std::string& text, const RunReport& run) {
  const LoadRun::Counts& counts = run.counts;
  fmt::format_to(std::back_inserter(text),
                 R"({{"trades_per_second":{},"arrived_per_second":{:.1f},"measured_ms":{},"due":{},"sent":{},)"
                 R"("awaited":{},"arrived":{},"missing":{},"bad_frames":{},"connections_lost":{},)"
                 R"("backlog_early":{:.1f},"backlog_late":{:.1f},"backlog_max":{},"held":{},"not_held":{},)"
                 R"("latency":{},"sent_late":{}}})",
                 run.trades_per_second, rate_of(run), run.measured_ms, counts.due, counts.sent, counts.awaited,
                 counts.arrived, counts.awaited - counts.arrived, counts.bad_frames, run.figures.dropped,
                 run.figures.backlog_early, run.figures.backlog_late, run.largest_backlog, run.held(),
                 quoted(run.not_held), latency_json(run.latency), latency_json(run.sent_late));
}

}  // namespace

std::string live_line(std::int64_t second, double trades_per_second, const LatencyHistogram& recent,
                      std::int64_t backlog) {
  return fmt::format("{:4} s  {:8.0f}/s  p50 {:8.2f}  p99 {:8.2f}  max {:8.2f} ms  backlog {}", second,
                     trades_per_second, ms(recent.quantile_ns(0.5)), ms(recent.quantile_ns(0.99)), ms(recent.max_ns()),
                     backlog);
}

std::string step_line(const SearchStep& step) {
  return fmt::format("{:8}/s  p50 {:8.2f}  p99 {:8.2f}  max {:8.2f} ms  {}", step.trades_per_second, ms(step.p50_ns),
                     ms(step.p99_ns), ms(step.max_ns), step.not_held.empty() ? "held" : step.not_held);
}

std::string to_text(const LoadReport& report) {
  std::string text = fmt::format("load     {}: from when a trade was due until {}\nflow     {}\n", report.target,
                                 report.arrival, flow_text(report.flow));
  const auto out = [&text] { return std::back_inserter(text); };
  if (report.interrupted) text += "ended    early, by a signal: this is the report so far\n";
  for (const SearchStep& step : report.steps) fmt::format_to(out(), "tried    {}\n", step_line(step));
  if (report.sustained) {
    fmt::format_to(out(), "found    {} trades/s are sustained: p99 within {} ms, backlog does not grow, nothing lost\n",
                   *report.sustained, report.limit_ms);
  } else if (report.searched && !report.interrupted) {
    fmt::format_to(out(), "found    no rate that is sustained: p99 within {} ms, backlog does not grow, nothing lost\n",
                   report.limit_ms);
  }
  if (!report.run) return text;
  append_run_text(text, *report.run);
  for (const auto& [name, count] : report.accounts) fmt::format_to(out(), "{:8} {}\n", name, count);
  fmt::format_to(out(), "\nLatency in ms, as HdrHistogram writes it:\n{}", report.run->latency.percentile_table());
  return text;
}

std::string to_json(const LoadReport& report) {
  const FlowOptions& flow = report.flow;
  std::string text = fmt::format(
      R"({{"target":{},"until":{},"limit_ms":{},"interrupted":{},"flow":{{"symbols":{},"zipf":{},"market":"{}",)"
      R"("tape":{},"max_trades_per_frame":{},"burst_factor":{},"burst_every_ms":{},"burst_ms":{},"bad":{},"seed":{}}})",
      quoted(report.target), quoted(report.arrival), report.limit_ms, report.interrupted, flow.symbols, flow.zipf,
      flow.market == LoadMarket::kCrypto ? "crypto" : "us", flow.tape != nullptr, flow.max_trades_per_frame,
      flow.bursts.factor, flow.bursts.every_ms, flow.bursts.length_ms, flow.bad, flow.seed);
  const auto out = [&text] { return std::back_inserter(text); };
  if (report.searched) {
    fmt::format_to(out(), R"(,"sustained":{},"tries":[)",
                   report.sustained ? fmt::to_string(*report.sustained) : "null");
    for (const char* separator = ""; const SearchStep& step : report.steps) {
      fmt::format_to(
          out(), R"({}{{"trades_per_second":{},"p50_ms":{:.6f},"p99_ms":{:.6f},"max_ms":{:.6f},"not_held":{}}})",
          separator, step.trades_per_second, ms(step.p50_ns), ms(step.p99_ns), ms(step.max_ns), quoted(step.not_held));
      separator = ",";
    }
    text += ']';
  }
  text += R"(,"accounts":{)";
  for (const char* separator = ""; const auto& [name, count] : report.accounts) {
    fmt::format_to(out(), "{}{}:{}", separator, quoted(name), count);
    separator = ",";
  }
  text += R"(},"run":)";
  if (report.run) {
    append_run_json(text, *report.run);
  } else {
    text += "null";
  }
  return text + "}\n";
}

}  // namespace finpipe
