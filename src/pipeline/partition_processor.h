// One partition of the log on its way into the store: admits each record, drives the engine, keeps the account, and
// gathers what the next commit makes durable. Everything in it is dropped when the partition is revoked.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "bars/engine.h"
#include "codec/policy_file.h"
#include "codec/records.h"
#include "pipeline/checkpoint.h"
#include "pipeline/ports.h"

namespace finpipe {

class PartitionProcessor {
 public:
  // Loads the checkpoint and the rows it refers to; without one, begins at the log's first record.
  // `policies` is for all partitions of a process. `listener` may be null.
  [[nodiscard]] static Result<PartitionProcessor> start(std::int32_t partition, LogReader& log, Store& store,
                                                        DeadLetters& dead_letters, PolicyReader& policies,
                                                        BarListener* listener = nullptr);

  // Where reading must begin: the record before the checkpoint, when it is still there to be compared.
  [[nodiscard]] std::int64_t first_offset() const { return compare_previous_ ? at_.offset - 1 : at_.offset; }
  // kNeedsStore: the record needs all that came before it to be in the store. Nothing has changed; it is to be applied
  // again once every commit that was taken is acknowledged and nothing is uncommitted.
  enum class Applied : std::uint8_t { kApplied, kNeedsStore };
  [[nodiscard]] Result<Applied> apply(std::int64_t offset, const LogRecord& record);

  // A round of records between these two is told to the listener: wanted trades as they are applied, then the wanted
  // bars that changed. `committed`: what the records below made is in the store. Only with a listener.
  void begin_round();
  void end_round(std::int64_t committed);

  // Records since the last take.
  [[nodiscard]] std::int64_t uncommitted() const { return uncommitted_; }
  // Takes everything that is not durable yet and the checkpoint that covers it.
  [[nodiscard]] Commit take(std::int64_t number);
  void acknowledge(std::int64_t number) {
    engine_.acknowledge(number);
    acknowledged_ = number;
  }

  [[nodiscard]] std::int64_t next_offset() const { return at_.offset; }
  // The checkpoint as of now; but for the clock, the engine's part of it is that of the last take.
  [[nodiscard]] const Checkpoint& checkpoint() const { return at_; }
  [[nodiscard]] const BarEngine& engine() const { return engine_; }
  // Whether a stored trade is left out of bars by an operator's word.
  [[nodiscard]] bool is_voided(const Tick& tick) const;

 private:
  static constexpr std::size_t kRemembered = 256;

  PartitionProcessor(Checkpoint at, BarEngine engine, Store& store, DeadLetters& dead_letters, PolicyReader& policies,
                     BarListener* listener)
      : at_(std::move(at)),
        engine_(std::move(engine)),
        store_(&store),
        dead_letters_(&dead_letters),
        policies_(&policies),
        listener_(listener) {}

  using TradeKey = std::tuple<std::string, std::int64_t, std::int64_t>;  // symbol, event time, seq

  [[nodiscard]] Result<void> restore();
  [[nodiscard]] Result<void> restore_voids();
  void learn_interest(SymbolId id);
  [[nodiscard]] Result<void> apply_trade(std::int64_t offset, const LogRecord& record);
  [[nodiscard]] Result<void> apply_control(std::int64_t offset, const LogRecord& record,
                                           const avro::FeedStatus& control);
  [[nodiscard]] Result<void> dispatch(const BarEngine::At& at, const avro::FeedStatus& control);
  [[nodiscard]] Result<void> apply_spans(const BarEngine::At& at, SpanRow::Kind kind, std::span<const SpanRow> spans);
  [[nodiscard]] Result<void> apply_policy(const BarEngine::At& at, const avro::PolicyInForce& policy);
  [[nodiscard]] Result<void> apply_void(const BarEngine::At& at, VoidRow row);
  [[nodiscard]] Result<std::optional<Tick>> find_trade(const VoidRow& row, std::int64_t before_offset);
  void note_void(const VoidRow& row);
  [[nodiscard]] Result<void> provide_rows();
  [[nodiscard]] SymbolId symbol(std::string_view name);
  // Where a symbol of this partition is remembered, if it has not made room for another one.
  struct Remembered {
    std::string_view name;  // in `names_`
    SymbolId id = 0;
  };
  [[nodiscard]] Remembered& place_of(std::string_view name);
  // Counts and keeps a record that cannot be applied. `trade`: it belongs to the account of trades.
  void refuse(std::int64_t offset, const LogRecord& record, const Error& error, const Trade* trade);
  [[nodiscard]] LedgerRow& account(Writer writer, std::int64_t session) { return at_.ledger[{writer, session}]; }

  Checkpoint at_;  // kept current, but for the engine's part, which is read when a commit is taken
  BarEngine engine_;
  Store* store_;
  DeadLetters* dead_letters_;
  PolicyReader* policies_;
  TradeDecoder decoder_;
  // Names by symbol id, kept by every commit that borrows from them.
  std::shared_ptr<std::deque<std::string>> names_ = std::make_shared<std::deque<std::string>>();
  std::vector<Remembered> remembered_ = std::vector<Remembered>(kRemembered);
  Commit commit_;
  std::int64_t uncommitted_ = 0;
  std::int64_t taken_ = 0;               // newest commit that was taken
  std::int64_t acknowledged_ = 0;        // newest that is in the store
  std::set<TradeKey> voided_;            // as this log says
  std::set<TradeKey> voided_elsewhere_;  // as logs say that came before it: of trades that it does not hold
  bool compare_previous_ = false;

  // What the listener wants, by symbol, as of `interest_`.
  struct Wanted {
    bool bars = false;
    bool trades = false;
  };
  BarListener* listener_ = nullptr;
  std::uint64_t interest_ = 0;
  std::vector<Wanted> wanted_;
  std::vector<SymbolId> wanted_bars_;
  std::vector<BarRow> changed_;
};

}  // namespace finpipe
