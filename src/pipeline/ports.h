// The seams of the house: what the pipeline needs from feeds, logs and stores. Adapters implement these; the app gives
// them threads and the simulation steps them under virtual time.
//
// All ports are poll-driven, start no visible thread, and are used by one thread at a time. Borrowed text and spans
// live until the next call on the same port unless a line says otherwise.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/block_list.h"
#include "base/error.h"
#include "market/bar.h"
#include "market/trade.h"

namespace finpipe {

// ---- Feed ----------------------------------------------------------------------------------------------------------

struct FeedFrame {
  std::string_view bytes;                   // one raw Finnhub frame
  std::optional<std::int64_t> received_ns;  // when it was received; absent: the tape has none for it
  std::int64_t position = 0;                // line of the tape, or number of the frame since the start; from 1
  std::optional<ErrorCode> damage;  // the line is no frame: torn, too long or malformed; `bytes` is what there was
};

// What happened to a live feed's connection.
struct FeedEvent {
  enum class Kind : std::uint8_t {
    kSubscribed,    // connected, and the subscription of `symbols` was sent: trades are expected from here on
    kDisconnected,  // the connection is gone, or was never there; told once, not for each attempt
    kStalled,       // it was open but silent for too long, and was dropped
    kRefused,       // the vendor will not send `symbols`, as `detail` says
  };
  Kind kind = Kind::kDisconnected;
  std::size_t before = 0;  // it came before the frame at this index of the batch
  std::int64_t at_ns = 0;  // on the clock of received_ns
  std::vector<std::string> symbols;
  std::string detail;  // the vendor's message, or the reason; never a secret
};

struct FeedBatch {
  std::span<const FeedFrame> frames;
  bool end = false;                     // nothing will follow
  std::span<const FeedEvent> events{};  // in order of `before`
  std::optional<std::int64_t>
      now_ns{};  // of a live feed: all that was received before this is in this batch or earlier
};

class Feed {
 public:
  virtual ~Feed() = default;
  // "tape", "vendor" or "demo": a log takes sessions of one origin.
  [[nodiscard]] virtual std::string_view origin() const = 0;
  [[nodiscard]] virtual std::string_view source_id() const = 0;  // identity of the tape's content; empty for others
  // Whether it is received now, and not read from a record: time passes without frames, and what was missed is gone.
  [[nodiscard]] virtual bool live() const { return false; }
  // A live feed may wait some ms for something to happen. An error is final: the feed cannot go on.
  [[nodiscard]] virtual Result<FeedBatch> poll(std::size_t max_frames) = 0;
  // Ends a live feed: what it has received can still be polled, and then comes `end`.
  virtual void close() {}
  // How far the feed is, in [0, 1]; nullopt where there is no end.
  [[nodiscard]] virtual std::optional<double> progress() const = 0;
};

// ---- Log -----------------------------------------------------------------------------------------------------------

enum class RecordType : std::uint8_t { kTrade = 0, kControl = 1 };

// One record. `key` is the symbol of a trade and nullopt for a control record; `value` is Avro in Confluent framing. A
// log with a schema registry may give out another value than it holds: then the last two tell which.
struct LogRecord {
  RecordType type = RecordType::kTrade;
  std::optional<std::string_view> key;
  std::string_view value;
  std::uint32_t wire_id = 0;    // the schema id that `value` has there; 0: the same
  std::string_view original{};  // what `value` was resolved from; empty: it was not
};

struct OffsetRange {
  std::int64_t begin = 0;  // first retained offset
  std::int64_t end = 0;    // one past the last readable record
};

class LogWriter {
 public:
  enum class Append : std::uint8_t { kAccepted, kFull };
  struct Acknowledged {
    std::int32_t partition;
    std::int64_t end;  // every record below is durable and readable
  };

  virtual ~LogWriter() = default;
  [[nodiscard]] virtual std::int32_t partitions() const = 0;
  // Takes all records, in order, or (kFull: the byte bound is reached) none; then poll and try again. Copies them.
  [[nodiscard]] virtual Append append(std::int32_t partition, std::span<const LogRecord> records) = 0;
  // Makes what was appended durable, and tells what became so since the last call; a log may write as soon as append
  // returns. An error is permanent: the session ends. What was not acknowledged then is not written, except that of a
  // server that was away (kBrokerUnreachable, kInterrupted) it may be.
  [[nodiscard]] virtual Result<std::span<const Acknowledged>> poll() = 0;
  [[nodiscard]] virtual std::size_t pending_bytes() const = 0;
  // Whether another writer's records came, or may have, between those of ours that are acknowledged, since this was
  // asked last: an operator's, or those of an ingest that replaces this one.
  [[nodiscard]] virtual bool others_wrote() { return false; }
};

class LogReader {
 public:
  enum class Change : std::uint8_t { kAssigned, kRevoked };
  struct Assignment {
    std::int32_t partition;
    Change change;
  };
  struct Batch {
    std::int32_t partition;
    std::int64_t first_offset;
    std::span<const LogRecord> records;  // of consecutive offsets
  };
  struct Read {
    std::span<const Assignment> assignments;  // to be handled before the batches
    std::span<const Batch> batches;
  };

  virtual ~LogReader() = default;
  [[nodiscard]] virtual const LogId& log_id() const = 0;
  [[nodiscard]] virtual std::int32_t partitions() const = 0;
  [[nodiscard]] virtual Result<OffsetRange> range(std::int32_t partition) = 0;
  // An assigned partition is read from where seek puts it, and not before. kOffsetOutOfRange when the record at
  // `offset` is not retained; the end of the range is a valid place.
  [[nodiscard]] virtual Result<void> seek(std::int32_t partition, std::int64_t offset) = 0;
  // At most about max_bytes of records (always at least one when there is one), of assigned, sought, unpaused
  // partitions. Never blocks for long.
  [[nodiscard]] virtual Result<Read> poll(std::size_t max_bytes) = 0;
  virtual void pause(std::int32_t partition) = 0;
  virtual void resume(std::int32_t partition) = 0;
  // For tools that watch a consumer group; never used to start from.
  virtual void commit_hint(std::int32_t partition, std::int64_t offset) = 0;
};

// ---- Dead letters --------------------------------------------------------------------------------------------------

struct DeadLetter {
  enum class Stage : std::uint8_t { kIngest, kProcess };

  std::string id;  // made of the source position: the same input gives the same id, and is kept once
  std::int64_t received_at_ns = 0;
  ErrorCode reason = ErrorCode::kBadJson;
  std::string detail;
  Stage stage = Stage::kIngest;
  std::string raw;  // the bytes as they came
  Writer writer = Writer::kLive;
  std::int64_t session = 0;
  std::int32_t partition = 0;
  std::int64_t offset = -1;  // of the log record, when there is one
};
[[nodiscard]] constexpr std::string_view to_string(DeadLetter::Stage stage) {
  return stage == DeadLetter::Stage::kIngest ? "ingest" : "process";
}

class DeadLetters {
 public:
  virtual ~DeadLetters() = default;
  virtual void put(DeadLetter letter) = 0;
  // Makes all that was put durable before it returns.
  [[nodiscard]] virtual Result<void> flush() = 0;
};

// ---- Store ---------------------------------------------------------------------------------------------------------

// A stored trade. Key: (symbol, event_time, seq).
struct Tick {
  Trade trade;
  std::int64_t offset = 0;
  LogId log_id{};
};

struct SymbolRow {
  std::string symbol;
  std::int32_t partition = 0;
  bool operator==(const SymbolRow&) const = default;
};

// A span of event time that matters to trust, as a control record gave it. Key: (partition, log_id, offset, index).
struct SpanRow {
  enum class Kind : std::uint8_t { kGap, kFilled, kUnsubscribed };
  std::int32_t partition = 0;
  std::int64_t offset = 0;  // of the control record
  std::int32_t index = 0;   // among the spans of that record
  Kind kind = Kind::kGap;
  std::string symbol;        // empty: every symbol of the partition
  std::int64_t from_ms = 0;  // [from, to)
  std::int64_t to_ms = 0;
  std::string reason;
  LogId log_id{};
  bool operator==(const SpanRow&) const = default;
};

// An operator's word on one stored trade, as a control record gave it. Key: (partition, log_id, offset).
struct VoidRow {
  enum class Action : std::uint8_t { kVoid, kUnvoid };
  std::int32_t partition = 0;
  LogId log_id{};
  std::int64_t offset = 0;  // of the control record
  Action action = Action::kVoid;
  std::string symbol;  // the trade: symbol, event_time, seq
  std::int64_t event_time_ms = 0;
  std::int64_t seq = 0;
  std::string reason;
  std::int64_t at_ns = 0;  // stamp of the control record
  bool operator==(const VoidRow&) const = default;
};
[[nodiscard]] constexpr std::string_view to_string(VoidRow::Action action) {
  return action == VoidRow::Action::kVoid ? "void" : "unvoid";
}

// A closed version of a bar: final (revision 0) or revised. Key: (bar key, generation, revision).
using RevisionRow = BarRow;

struct PolicyRow {
  std::string hash;
  std::string market;
  std::string text;
  bool operator==(const PolicyRow&) const = default;
};

// A processor's snapshot of one partition at one offset; the store does not look inside.
struct CheckpointRow {
  std::int32_t partition = 0;
  std::int64_t generation = 0;
  std::int64_t offset = 0;  // next record to apply
  std::string body;
  bool operator==(const CheckpointRow&) const = default;
};

// Everything that one commit makes durable. The order in which it becomes visible: ticks, revisions, spans, voids,
// symbols, policies; then bars; then the checkpoint. Commits may overlap, but bars become visible after the first part
// of every commit before, and a checkpoint when all before are whole. A store that can does it all at once.
struct Commit {
  BlockList<Tick> ticks;
  BlockList<RevisionRow> revisions;
  std::vector<SpanRow> spans;
  std::vector<VoidRow> voids;
  std::vector<SymbolRow> symbols;
  std::vector<PolicyRow> policies;
  BlockList<BarRow> bars;
  std::vector<CheckpointRow> checkpoints;
  std::int64_t generation = 0;  // in which its ticks were read from the log: a later one's replace an earlier one's

  std::shared_ptr<const void> symbol_owner;  // keeps the text alive that ticks borrow their symbols from

  Commit() = default;
  Commit(Commit&&) noexcept = default;  // not to be copied: ticks borrow from it
  Commit& operator=(Commit&&) noexcept = default;

  // Copies a tick. `symbol` is its symbol's text in what `symbol_owner` keeps.
  void add_tick(const Trade& trade, std::string_view symbol, std::int64_t offset, const LogId& log_id) {
    Tick& tick = ticks.push_back({trade, offset, log_id});
    tick.trade.symbol = symbol;
    if (!trade.conditions.codes.empty()) tick.trade.conditions.codes = text_.emplace_back(trade.conditions.codes);
  }

 private:
  std::deque<std::string> text_;
};

// Rows of one symbol and interval with from <= start <= to, both ends included.
struct BarRange {
  std::string_view symbol;
  Interval interval = Interval::k1s;
  std::int64_t from_ms = std::numeric_limits<std::int64_t>::min();
  std::int64_t to_ms = std::numeric_limits<std::int64_t>::max();
};

// Half-open range of event time of one symbol's stored trades.
struct TickRange {
  std::string_view symbol;
  std::int64_t from_ms = std::numeric_limits<std::int64_t>::min();
  std::int64_t to_ms = std::numeric_limits<std::int64_t>::max();
};

// Writes are idempotent upserts. A bar of a lower (generation, version), or a checkpoint of a lower (generation,
// offset), than the stored one changes nothing: a writer that was replaced can do no harm.
class Store {
 public:
  using Ticket = std::int64_t;

  virtual ~Store() = default;
  // Tickets rise. The commit is visible and durable when poll has returned its ticket.
  [[nodiscard]] virtual Ticket submit(Commit commit) = 0;
  // Highest ticket up to which every commit is done. An error is permanent for this object.
  [[nodiscard]] virtual Result<Ticket> poll() = 0;
  // Why nothing is written or read at the moment although all is well on our side: a server is away, for example. The
  // store goes on trying. Called from any thread.
  [[nodiscard]] virtual std::optional<std::string> trouble() const { return std::nullopt; }
  // What waits for a server gives up, now and later, with kInterrupted. Called from any thread.
  virtual void interrupt() {}

  [[nodiscard]] virtual Result<std::optional<CheckpointRow>> load_checkpoint(std::int32_t partition) = 0;
  [[nodiscard]] virtual Result<std::vector<SymbolRow>> load_symbols(std::int32_t partition) = 0;
  [[nodiscard]] virtual Result<std::vector<BarRow>> load_bars(std::span<const BarRange> ranges) = 0;
  [[nodiscard]] virtual Result<std::vector<SpanRow>> load_spans(std::int32_t partition) = 0;
  [[nodiscard]] virtual Result<std::vector<VoidRow>> load_voids(std::int32_t partition) = 0;
  // Visits in the order of event time and seq. What the visitor sees of borrowed text ends with the call.
  [[nodiscard]] virtual Result<void> load_ticks(const TickRange& range,
                                                const std::function<void(const Tick&)>& visit) = 0;
  [[nodiscard]] virtual Result<std::optional<PolicyRow>> load_policy(std::string_view hash) = 0;
};

// ---- Listener ------------------------------------------------------------------------------------------------------

// Hears what a processor makes of the log as it is made, before it is durable. All but `interest` is called in the
// processor's thread, between two rounds.
class BarListener {
 public:
  virtual ~BarListener() = default;
  // Rises whenever what is wanted changes; then the processor asks again. Called from any thread, for every round.
  [[nodiscard]] virtual std::uint64_t interest() const = 0;
  [[nodiscard]] virtual bool wants_bars(std::string_view symbol) = 0;
  [[nodiscard]] virtual bool wants_trades(std::string_view symbol) = 0;
  // The newest version of a bar that changed since it was last told.
  virtual void on_bar(const BarRow& row) = 0;
  // A stored trade. Its text lives for the call.
  virtual void on_trade(const Trade& trade) = 0;
  // Ends a round of a partition: every change by a record below `applied` has been told, and what the records below
  // `committed` made is in the store. So is all that was changed before by bars nobody wanted.
  virtual void on_round(std::int32_t partition, std::int64_t applied, std::int64_t committed) = 0;
};

// ---- Query ---------------------------------------------------------------------------------------------------------

enum class Order : std::uint8_t { kAscending, kDescending };

// Visitors see rows in key order (start; event_time then seq; revisions by start, generation, revision) or in exactly
// the opposite one, and return false to stop. What they see of borrowed text ends with the call.
class Query {
 public:
  virtual ~Query() = default;
  [[nodiscard]] virtual Result<std::vector<SymbolRow>> symbols() = 0;  // ordered by symbol
  [[nodiscard]] virtual Result<std::vector<CheckpointRow>> checkpoints() = 0;
  [[nodiscard]] virtual Result<void> bars(const BarRange& range, const std::function<bool(const BarRow&)>& visit,
                                          Order order = Order::kAscending) = 0;
  [[nodiscard]] virtual Result<void> revisions(const BarRange& range,
                                               const std::function<bool(const RevisionRow&)>& visit) = 0;
  [[nodiscard]] virtual Result<void> ticks(const TickRange& range, const std::function<bool(const Tick&)>& visit,
                                           Order order = Order::kAscending) = 0;
  [[nodiscard]] virtual Result<std::vector<SpanRow>> spans() = 0;  // ordered by partition, log, offset, index
  [[nodiscard]] virtual Result<std::vector<VoidRow>> voids() = 0;  // ordered by partition, log, offset
  [[nodiscard]] virtual Result<std::optional<PolicyRow>> policy(std::string_view hash) = 0;
};

// Dead letters in the order of receipt.
class DeadLetterQuery {
 public:
  virtual ~DeadLetterQuery() = default;
  [[nodiscard]] virtual Result<void> dead_letters(const std::function<bool(const DeadLetter&)>& visit) = 0;
};

}  // namespace finpipe
