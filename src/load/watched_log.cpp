#include "load/watched_log.h"

#include <algorithm>
#include <utility>

#include "base/hash.h"
#include "base/time.h"

namespace finpipe {
namespace {

// The longest that a poll waits, so that acknowledgements are asked for meanwhile.
constexpr std::int64_t kMaxWaitNs = kNsPerMs;

}  // namespace

WatchedLogWriter::WatchedLogWriter(LogWriter& to, std::vector<std::int64_t> ends, Arrival arrival, CurrentRun& run,
                                   Clock& clock)
    : to_(to), arrival_(arrival), run_(run), clock_(clock), partitions_(ends.size()) {
  for (std::size_t i = 0; i < ends.size(); ++i) partitions_[i].end = ends[i];
}

LogWriter::Append WatchedLogWriter::append(std::int32_t partition, std::span<const LogRecord> records) {
  Partition& at = partitions_[static_cast<std::size_t>(partition)];
  {
    // Before a record can be acknowledged it must be known that it is waited for.
    const std::lock_guard lock(mutex_);
    std::size_t expected = 0;
    for (std::size_t i = 0; i < records.size(); ++i) {
      if (records[i].type != RecordType::kTrade || expected == at.expected.size()) continue;
      at.waiting.push_back({at.end + static_cast<std::int64_t>(i), at.expected[expected++]});
    }
  }
  const Append answer = to_.append(partition, records);
  if (answer == Append::kAccepted) {
    const auto trades = std::ranges::count(records, RecordType::kTrade, &LogRecord::type);
    at.expected.erase(at.expected.begin(),
                      at.expected.begin() + std::min<std::ptrdiff_t>(trades, std::ssize(at.expected)));
    at.end += static_cast<std::int64_t>(records.size());
  } else {
    const std::lock_guard lock(mutex_);
    while (!at.waiting.empty() && at.waiting.back().offset >= at.end) at.waiting.pop_back();
  }
  return answer;
}

Result<std::span<const LogWriter::Acknowledged>> WatchedLogWriter::poll() {
  auto acknowledged = to_.poll();
  if (acknowledged && arrival_ == Arrival::kAcknowledged) {
    for (const Acknowledged& one : *acknowledged) arrive(one.partition, one.end);
  }
  return acknowledged;
}

void WatchedLogWriter::on_round(std::int32_t partition, std::int64_t /*applied*/, std::int64_t committed) {
  if (arrival_ == Arrival::kStored) arrive(partition, committed);
}

void WatchedLogWriter::arrive(std::int32_t partition, std::int64_t end) {
  std::vector<std::int64_t> due_ns;
  {
    const std::lock_guard lock(mutex_);
    auto& waiting = partitions_[static_cast<std::size_t>(partition)].waiting;
    for (; !waiting.empty() && waiting.front().offset < end; waiting.pop_front()) {
      due_ns.push_back(waiting.front().due_ns);
    }
  }
  if (due_ns.empty()) return;
  if (const auto run = run_.get()) run->arrived(due_ns, clock_.boot_ns());
}

LoadFeed::LoadFeed(CurrentRun& run, WatchedLogWriter& expected, std::vector<std::string> symbols, Clock& clock,
                   SessionClock& session_clock)
    : run_(run), expected_(expected), symbols_(std::move(symbols)), clock_(clock), session_clock_(session_clock) {
  for (const std::string& symbol : symbols_) partition_of_.push_back(partition_of(symbol, expected.partitions()));
}

Result<FeedBatch> LoadFeed::poll(std::size_t max_frames) {
  frames_.clear();
  events_.clear();
  texts_.resize(std::max(texts_.size(), max_frames));
  FeedBatch batch;
  if (!subscribed_) {
    events_.push_back(
        {.kind = FeedEvent::Kind::kSubscribed, .at_ns = session_clock_.now_ns(), .symbols = symbols_, .detail = {}});
    subscribed_ = true;
  }
  const auto run = run_.get();
  const bool playing = run && !run->all_sent() && !closed_;
  const std::int64_t wait_until_ns = clock_.boot_ns() + kMaxWaitNs;
  pacer_.wait_until(playing ? std::min(run->next_due_ns(), wait_until_ns) : wait_until_ns);
  std::int64_t now_ns = clock_.boot_ns();
  while (playing && frames_.size() < max_frames && !run->all_sent() && run->next_due_ns() <= now_ns) {
    const Flow::Frame& frame = run->send(now_ns);
    for (const Flow::PlannedTrade& trade : frame.trades) {
      expected_.expect(partition_of_[trade.symbol], run->plan().start_ns + frame.due_ns);
    }
    std::string& text = texts_[frames_.size()];
    text = frame.text;
    frames_.push_back({.bytes = text, .received_ns = session_clock_.now_ns(), .position = ++position_, .damage = {}});
    now_ns = clock_.boot_ns();
  }
  batch.frames = frames_;
  batch.events = events_;
  batch.end = closed_;
  batch.now_ns = session_clock_.now_ns();
  return batch;
}

}  // namespace finpipe
