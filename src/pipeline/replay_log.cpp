#include "pipeline/replay_log.h"

#include <algorithm>
#include <variant>

#include "base/hash.h"
#include "base/time.h"
#include "pipeline/checkpoint.h"

namespace finpipe {
namespace {

constexpr std::size_t kReplayReadBytes = std::size_t{1} << 20;

bool in_range(std::int64_t time_ms) { return time_ms >= kYear2000Ms && time_ms < kLatestEventMs; }

}  // namespace

ReplayLog::ReplayLog(LogReader& reader, std::vector<WantedLetter> wanted)
    : reader_(reader), wanted_(std::move(wanted)), partitions_(static_cast<std::size_t>(reader.partitions())) {
  std::ranges::sort(wanted_, {}, &WantedLetter::received_at_ns);
  for (std::size_t i = 0; i < wanted_.size(); ++i) {
    ids_.emplace(wanted_[i].id, i);
    if (wanted_[i].offset >= 0) records_.try_emplace({wanted_[i].partition, wanted_[i].offset});
  }
}

// ---- Reading -------------------------------------------------------------------------------------------------------

Result<void> ReplayLog::begin() {
  FINPIPE_TRY(reader_.poll(0));  // learns the assignment
  for (std::int32_t p = 0; p < partitions(); ++p) {
    FINPIPE_TRY_ASSIGN(range, reader_.range(p));
    FINPIPE_TRY(reader_.seek(p, range.begin));
    partition(p).next = range.begin;
    partition(p).lost_beginning = range.begin > 0;
  }
  begun_ = true;
  return {};
}

Result<void> ReplayLog::read_on(const std::function<void(double)>& progress) {
  if (!begun_) FINPIPE_TRY(begin());
  std::vector<std::int64_t> ends;
  std::int64_t total = 0;
  for (std::int32_t p = 0; p < partitions(); ++p) {
    FINPIPE_TRY_ASSIGN(range, reader_.range(p));
    ends.push_back(range.end);
    total += std::max<std::int64_t>(0, range.end - partition(p).next);
  }
  const auto left = [&] {
    std::int64_t records = 0;
    for (std::int32_t p = 0; p < partitions(); ++p)
      records += std::max<std::int64_t>(0, ends[static_cast<std::size_t>(p)] - partition(p).next);
    return records;
  };
  for (std::int64_t records = total; records > 0; records = left()) {
    if (progress) progress(1 - static_cast<double>(records) / static_cast<double>(total));
    FINPIPE_TRY_ASSIGN(read, reader_.poll(kReplayReadBytes));
    for (const LogReader::Batch& batch : read.batches) {
      std::int64_t& next = partition(batch.partition).next;
      next = batch.first_offset;
      for (const LogRecord& record : batch.records) take(batch.partition, next++, record);
    }
  }
  return {};
}

void ReplayLog::take(std::int32_t partition, std::int64_t offset, const LogRecord& record) {
  if (const auto wanted = records_.find({partition, offset}); wanted != records_.end()) {
    wanted->second = Record{record.type, std::string(record.value), value_in_log(record)};
  }
  if (record.type == RecordType::kTrade) {
    take_trade(partition, record);
  } else {
    take_control(partition, record);
  }
}

void ReplayLog::take_trade(std::int32_t index, const LogRecord& record) {
  Trade trade;
  if (!decoder_.decode(record.value, trade)) return;
  Partition& at = partition(index);
  if (trade.writer == Writer::kLive && !at.first_live_ns) at.first_live_ns = trade.received_at_ns;
  // What the processor refuses does not count here either.
  if (trade.writer != Writer::kReplay || record.key != trade.symbol ||
      partition_of(trade.symbol, partitions()) != index || !in_range(trade.event_time_ms) ||
      !in_range(floor_div(trade.received_at_ns, kNsPerMs))) {
    return;
  }
  const std::int64_t session = at.admission.of(Writer::kReplay).session;
  if (at.admission.trade(trade.writer, trade.session, trade.seq) != Admission::Verdict::kAdmitted) return;
  if (trade.session != session) at.letter.clear();  // of a session that never said what it is
  const auto letter = letters_.find(at.letter);
  if (letter == letters_.end() || letter->second.trades.empty()) return;
  letter->second.trades[static_cast<std::size_t>(index)].add(trade);
}

void ReplayLog::take_control(std::int32_t index, const LogRecord& record) {
  const auto control = decode_control(record.value);
  if (!control) return;
  if (!in_range(floor_div(control->stamp, kNsPerMs))) return;
  if (const auto stated = stated_log_id(*control); stated && *stated != log_id()) return;
  Partition& at = partition(index);
  const auto writer = static_cast<Writer>(control->writer);
  const auto* session = std::get_if<avro::SessionStarted>(&control->body);
  const auto* beat = std::get_if<avro::Heartbeat>(&control->body);
  if (writer == Writer::kLive) {
    if (!at.first_live_ns) at.first_live_ns = control->stamp;
    if (index == 0 && beat != nullptr) take_lags(*control, *beat);
  }
  if (writer != Writer::kReplay) return;
  if (control->session > at.admission.of(writer).session) at.letter.clear();
  if (at.admission.control(writer, control->session) != Admission::Verdict::kAdmitted) return;
  if (beat != nullptr) {
    complete(at);
  } else if (session != nullptr) {
    if (control->session > at.begun_session) at.begun_session = control->session, at.begun_at_ns = session->start;
    at.letter = session->source_id;
    if (at.letter.empty() || replayed_.contains(at.letter)) return;
    std::vector<LetterTrades>& trades = letters_[at.letter].trades;
    if (trades.empty() && ids_.contains(at.letter)) trades.resize(partitions_.size());
  }
}

// A session's heartbeat follows the trades of the letter that its session record named.
void ReplayLog::complete(Partition& at) {
  const auto letter = letters_.find(at.letter);
  if (letter != letters_.end() && ++letter->second.completed[at.begun_session] == partitions()) {
    replayed_.insert(at.letter);
    letters_.erase(letter);
  }
  at.letter.clear();
}

// Letters that were received before this heartbeat keep what was known then.
void ReplayLog::take_lags(const avro::FeedStatus& control, const avro::Heartbeat& beat) {
  while (lags_.size() < wanted_.size() && wanted_[lags_.size()].received_at_ns < control.stamp)
    lags_.push_back(newest_lags_);
  for (const avro::MarketLag& lag : beat.lags) newest_lags_[std::string(lag.market)] = lag.lag_ms;
}

// ---- Answers -------------------------------------------------------------------------------------------------------

std::span<const Trade> ReplayLog::trades(std::string_view id, std::int32_t partition) const {
  const auto letter = letters_.find(id);
  if (letter == letters_.end() || letter->second.trades.empty()) return {};
  return letter->second.trades.at(static_cast<std::size_t>(partition)).all();
}

ReplayLog::Newest ReplayLog::newest(std::int32_t index) const {
  const Partition& at = partition(index);
  const auto& state = at.admission.writers()[static_cast<std::size_t>(Writer::kReplay)];
  return {state.session, state.session == at.begun_session ? at.begun_at_ns : 0, state.seq};
}

const ReplayLog::Record* ReplayLog::record(std::int32_t partition, std::int64_t offset) const {
  const auto found = records_.find({partition, offset});
  return found != records_.end() && found->second ? &*found->second : nullptr;
}

const ReplayLog::Lags& ReplayLog::lags(std::string_view id) const {
  const auto wanted = ids_.find(id);
  return wanted != ids_.end() && wanted->second < lags_.size() ? lags_[wanted->second] : newest_lags_;
}

bool ReplayLog::reaches_back_to(std::int64_t received_at_ns) const {
  return std::ranges::all_of(partitions_, [&](const Partition& at) {
    return !at.lost_beginning || (at.first_live_ns && *at.first_live_ns <= received_at_ns);
  });
}

}  // namespace finpipe
