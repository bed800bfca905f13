#include "app/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <fstream>

#include "base/time.h"

namespace finpipe {
namespace {

constexpr std::int64_t kTerminalIntervalNs = kNsPerSecond / 5;
constexpr std::int64_t kPlainIntervalNs = 5 * kNsPerSecond;
constexpr std::int64_t kLiveIntervalNs = 60 * kNsPerSecond;

}  // namespace

std::string with_separators(std::int64_t count) {
  std::string digits = fmt::to_string(count);
  const std::size_t first = count < 0 ? 1 : 0;
  for (std::size_t at = digits.size(); at > first + 3; at -= 3) digits.insert(at - 3, 1, ',');
  return digits;
}

std::int64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::int64_t total_pages = 0;
  std::int64_t resident_pages = 0;
  statm >> total_pages >> resident_pages;
  return statm ? resident_pages * ::sysconf(_SC_PAGESIZE) : 0;
}

void Progress::tick(const PipelineThreads::Status& status, std::int64_t stored, const std::string& feed,
                    const std::optional<std::string>& trouble, std::int64_t now_ns) {
  const std::int64_t passed_ns = now_ns - last_ns_;
  if (passed_ns < (terminal_ ? kTerminalIntervalNs : live_ ? kLiveIntervalNs : kPlainIntervalNs)) return;
  const IngestCounts& ingest = status.ingest;
  const std::string rate = with_separators(std::llround(static_cast<double>(ingest.received - last_received_) *
                                                        kNsPerSecond / static_cast<double>(passed_ns)));
  last_ns_ = now_ns;
  last_received_ = ingest.received;
  const std::int64_t dead_letters = ingest.dead_lettered + status.dead_lettered_after;
  std::string line;
  if (live_) {
    line = fmt::format("{} trades/s  lag {}  {} symbols  {} interruptions  {} trades stored  {}", rate,
                       ingest.lag_ms ? fmt::format("{} ms", *ingest.lag_ms) : "-", ingest.symbols, ingest.gaps,
                       with_separators(stored), feed);
  } else {
    line = fmt::format("{:>4} {} received  {} trades/s  {} stored  {} suspect  {} MiB",
                       status.feed_progress ? fmt::format("{:.0f}%", *status.feed_progress * 100) : "",
                       with_separators(ingest.received), rate, with_separators(stored),
                       with_separators(ingest.suspects), resident_bytes() >> 20);
  }
  if (dead_letters > 0) line += fmt::format("  {} dead letters", with_separators(dead_letters));
  if (trouble) line += fmt::format("  {}", *trouble);
  tell(fmt::format("{}{}{}", terminal_ ? "\r\033[K" : "", line, terminal_ ? "" : "\n"));
  shown_ = terminal_;
}

void Progress::clear() {
  if (!shown_) return;
  tell("\r\033[K");
  shown_ = false;
}

void tell(std::string_view text) { (void)std::fwrite(text.data(), 1, text.size(), stderr); }

}  // namespace finpipe
