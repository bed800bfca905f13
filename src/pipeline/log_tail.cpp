#include "pipeline/log_tail.h"

#include <algorithm>
#include <type_traits>
#include <variant>

#include "codec/records.h"

namespace finpipe {
namespace {

constexpr std::int64_t kFirstLookBack = 4'096;  // records; then four times as many
constexpr std::size_t kTailReadBytes = std::size_t{1} << 20;

struct TailReader {
  LogTail& tail;
  bool found_session = false;
  bool found_heartbeat = false;
  bool found_symbols = false;
  TradeDecoder decoder;

  void read(const LogRecord& record) {
    if (record.type == RecordType::kTrade) {
      read_trade(record);
    } else if (const auto control = decode_control(record.value)) {
      if (static_cast<Writer>(control->writer) == Writer::kLive && control->session >= tail.session)
        read_control(*control);
    }
  }

  void open_silence(std::int64_t since_ms) {
    tail.silent_since_ms = std::min(tail.silent_since_ms.value_or(since_ms), since_ms);
  }

  void see_frame(std::int64_t session, std::int64_t at_ns) {
    tail.last_frame_ns = session > tail.frame_session ? at_ns : std::max(tail.last_frame_ns, at_ns);
    tail.frame_session = session;
  }

  void read_trade(const LogRecord& record) {
    Trade trade;
    if (!decoder.decode(record.value, trade) || trade.writer != Writer::kLive || trade.session < tail.session) return;
    tail.session = trade.session;
    tail.seq = std::max(tail.seq, trade.seq);
    tail.last_stamp_ns = std::max(tail.last_stamp_ns, trade.received_at_ns);
    see_frame(trade.session, trade.received_at_ns);
    tail.recent.add(trade.received_at_ns, trade.event_time_ms);
    tail.ended = false;
  }

  void read_control(const avro::FeedStatus& control) {
    tail.session = control.session;
    tail.last_stamp_ns = std::max(tail.last_stamp_ns, control.stamp);
    if (const auto* session = std::get_if<avro::SessionStarted>(&control.body)) {
      found_session = true;
      if (control.session > tail.begun_session) tail.begun_session = control.session, tail.begun_at_ns = session->start;
      if (tail.origin != session->origin || tail.source_id != session->source_id) {
        // What came before it is of another source, or of a session whose record lies further back.
        found_heartbeat = false;
        tail.heartbeat = tail.heartbeat_received = 0;
        tail.subscribed = tail.ended = false;
      }
      tail.origin = session->origin;
      tail.source_id = session->source_id;
      if (session->silent_since) open_silence(*session->silent_since);
    } else if (const auto* policy = std::get_if<avro::PolicyInForce>(&control.body)) {
      tail.policies[std::string(policy->market)] = policy->hash;
    } else if (const auto* beat = std::get_if<avro::Heartbeat>(&control.body)) {
      found_heartbeat = true;
      if (beat->ordinal > tail.heartbeat) {
        tail.heartbeat = beat->ordinal;
        tail.heartbeat_received = beat->counters.received;
      }
      tail.seq = std::max(tail.seq, beat->last_seq);
      tail.subscribed = true;
      if (beat->last_frame_at) see_frame(control.session, *beat->last_frame_at);
      for (const avro::MarketLag& lag : beat->lags) tail.lags_ms[std::string(lag.market)] = lag.lag_ms;
      for (const avro::PolicyHash& entry : beat->policies) tail.policies[std::string(entry.market)] = entry.hash;
    } else if (const auto* on = std::get_if<avro::Subscribed>(&control.body)) {
      found_symbols = tail.subscribed = true;
      // It always names all that are subscribed then.
      tail.symbols.reset();
      if (on->symbols) tail.symbols.emplace(on->symbols->begin(), on->symbols->end());
    } else if (const auto* off = std::get_if<avro::Unsubscribed>(&control.body)) {
      if (!off->symbols) {
        tail.symbols.emplace();
      } else if (tail.symbols) {
        for (const std::string_view symbol : *off->symbols) tail.symbols->erase(std::string(symbol));
      }
    } else if (const auto* feed = std::get_if<avro::FeedState>(&control.body)) {
      if (feed->state != avro::ConnectionState::kConnected) open_silence(feed->since);
    } else if (const auto* gap = std::get_if<avro::Gap>(&control.body)) {
      if (!gap->symbols) tail.silent_since_ms.reset();
    } else if (std::holds_alternative<avro::End>(control.body)) {
      tail.ended = true;
    }
  }
};

// Where `tail.end` is, or where the log begins by now: the reader may know an older range, and retention goes on.
Result<void> seek_retained(LogReader& log, std::int32_t partition, LogTail& tail) {
  auto sought = log.seek(partition, tail.end);
  if (sought || sought.error().code != ErrorCode::kOffsetOutOfRange) return sought;
  FINPIPE_TRY_ASSIGN(range, log.range(partition));
  if (tail.end >= range.begin) return sought;
  tail.end = range.begin;
  return log.seek(partition, tail.end);
}

Result<void> read_range(LogReader& log, std::int32_t partition, TailReader& reader) {
  FINPIPE_TRY_ASSIGN(range, log.range(partition));
  FINPIPE_TRY(seek_retained(log, partition, reader.tail));
  log.resume(partition);
  while (reader.tail.end < range.end) {
    FINPIPE_TRY_ASSIGN(read, log.poll(kTailReadBytes));
    for (const LogReader::Batch& batch : read.batches) {
      if (batch.partition != partition) continue;
      for (const LogRecord& record : batch.records) reader.read(record);
      reader.tail.end = batch.first_offset + static_cast<std::int64_t>(batch.records.size());
    }
  }
  log.pause(partition);
  return {};
}

}  // namespace

Result<void> read_on(LogReader& log, std::int32_t partition, LogTail& tail) {
  TailReader reader{.tail = tail, .decoder = {}};
  return read_range(log, partition, reader);
}

Result<LogTail> read_tail(LogReader& log, std::int32_t partition) {
  for (std::int64_t look_back = kFirstLookBack;; look_back *= 4) {
    FINPIPE_TRY_ASSIGN(range, log.range(partition));
    LogTail tail;
    tail.end = std::max(range.begin, range.end - look_back);
    const bool whole = tail.end == range.begin;
    TailReader reader{.tail = tail, .decoder = {}};
    FINPIPE_TRY(read_range(log, partition, reader));
    const bool found_symbols = reader.found_symbols || !tail.source_id.empty();
    if (whole || (reader.found_session && reader.found_heartbeat && found_symbols)) return tail;
  }
}

}  // namespace finpipe
