// A store whose server may be away waits until it is back. These say so instead, once that has taken too long: with
// kStoreUnreachable and the reason. So one request does not hold up those that need no store, and a command ends.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "pipeline/ports.h"

namespace finpipe {

// How long a store has been in trouble, as far as it was looked at. Used by one thread.
class Patience {
 public:
  Patience(const Store& store, Clock& clock, std::int64_t patience_ms)
      : store_(store), clock_(clock), patience_ms_(patience_ms) {}

  // The error to answer with when the trouble lasts too long.
  [[nodiscard]] Result<void> look();

 private:
  const Store& store_;
  Clock& clock_;
  std::int64_t patience_ms_;
  std::optional<std::int64_t> since_ns_;  // of the present trouble
};

// Asks in a thread of its own, so that what is asked can be left to itself. Visitors are called in that thread while
// the one that asks waits. Used by one thread; a visitor may ask too.
class PromptQuery final : public Query {
 public:
  // `query` belongs to `store`.
  PromptQuery(Query& query, Store& store, Clock& clock, std::int64_t patience_ms);
  // Interrupts the store when something that was asked is still waiting for it.
  ~PromptQuery() override;
  PromptQuery(const PromptQuery&) = delete;
  PromptQuery& operator=(const PromptQuery&) = delete;

  [[nodiscard]] Result<std::vector<SymbolRow>> symbols() override;
  [[nodiscard]] Result<std::vector<CheckpointRow>> checkpoints() override;
  [[nodiscard]] Result<void> bars(const BarRange& range, const std::function<bool(const BarRow&)>& visit,
                                  Order order = Order::kAscending) override;
  [[nodiscard]] Result<void> revisions(const BarRange& range,
                                       const std::function<bool(const RevisionRow&)>& visit) override;
  [[nodiscard]] Result<void> ticks(const TickRange& range, const std::function<bool(const Tick&)>& visit,
                                   Order order = Order::kAscending) override;
  [[nodiscard]] Result<std::vector<SpanRow>> spans() override;
  [[nodiscard]] Result<std::vector<VoidRow>> voids() override;
  [[nodiscard]] Result<std::optional<PolicyRow>> policy(std::string_view hash) override;

 private:
  // Shared with the thread, which may still be at it when nobody waits any more.
  template <typename T>
  struct Call {
    std::mutex mutex;  // held while a visitor is called
    std::condition_variable answered;
    std::optional<Result<T>> answer;
    bool abandoned = false;
  };

  template <typename T>
  [[nodiscard]] Result<T> ask(std::function<Result<T>(Call<T>& call)> read);
  template <typename Row, typename Range>
  [[nodiscard]] Result<void> visit_rows(
      const Range& range, const std::function<bool(const Row&)>& visit,
      const std::function<Result<void>(const Range&, const std::function<bool(const Row&)>&)>& read);
  void work();

  Query& query_;
  Store& store_;
  Patience patience_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_;
  bool busy_ = false;
  bool stop_ = false;
  std::thread thread_;
};

// For commands that submit and poll until it is done: a poll without news takes a moment.
class PromptStore final : public Store {
 public:
  PromptStore(Store& to, Clock& clock, std::int64_t patience_ms) : to_(to), patience_(to, clock, patience_ms) {}

  [[nodiscard]] Ticket submit(Commit commit) override { return submitted_ = to_.submit(std::move(commit)); }
  [[nodiscard]] Result<Ticket> poll() override;
  [[nodiscard]] std::optional<std::string> trouble() const override { return to_.trouble(); }
  void interrupt() override { to_.interrupt(); }
  [[nodiscard]] Result<std::optional<CheckpointRow>> load_checkpoint(std::int32_t partition) override {
    return to_.load_checkpoint(partition);
  }
  [[nodiscard]] Result<std::vector<SymbolRow>> load_symbols(std::int32_t partition) override {
    return to_.load_symbols(partition);
  }
  [[nodiscard]] Result<std::vector<BarRow>> load_bars(std::span<const BarRange> ranges) override {
    return to_.load_bars(ranges);
  }
  [[nodiscard]] Result<std::vector<SpanRow>> load_spans(std::int32_t partition) override {
    return to_.load_spans(partition);
  }
  [[nodiscard]] Result<std::vector<VoidRow>> load_voids(std::int32_t partition) override {
    return to_.load_voids(partition);
  }
  [[nodiscard]] Result<void> load_ticks(const TickRange& range,
                                        const std::function<void(const Tick&)>& visit) override {
    return to_.load_ticks(range, visit);
  }
  [[nodiscard]] Result<std::optional<PolicyRow>> load_policy(std::string_view hash) override {
    return to_.load_policy(hash);
  }

 private:
  Store& to_;
  Patience patience_;
  Ticket submitted_ = 0;
};

}  // namespace finpipe
