// A store that counts what passes through it on the way to another one. Counters may be read by other threads.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

#include "pipeline/ports.h"

namespace finpipe {

class CommitCounter final : public Store {
 public:
  explicit CommitCounter(Store& store) : store_(store) {}

  [[nodiscard]] std::int64_t trades() const { return trades_; }
  [[nodiscard]] std::int64_t finals() const { return finals_; }        // bars that became final
  [[nodiscard]] std::int64_t revisions() const { return revisions_; }  // revisions of bars after that

  // Whether all that was submitted is durable.
  [[nodiscard]] bool settled() const { return done_ >= submitted_; }

  [[nodiscard]] Ticket submit(Commit commit) override {
    trades_ += static_cast<std::int64_t>(commit.ticks.size());
    for (const RevisionRow& row : commit.revisions) ++(row.bar.state == BarState::kFinal ? finals_ : revisions_);
    return submitted_ = store_.submit(std::move(commit));
  }
  [[nodiscard]] Result<Ticket> poll() override {
    auto done = store_.poll();
    if (done) done_ = *done;
    return done;
  }
  [[nodiscard]] Result<std::optional<CheckpointRow>> load_checkpoint(std::int32_t partition) override {
    return store_.load_checkpoint(partition);
  }
  [[nodiscard]] Result<std::vector<SymbolRow>> load_symbols(std::int32_t partition) override {
    return store_.load_symbols(partition);
  }
  [[nodiscard]] Result<std::vector<BarRow>> load_bars(std::span<const BarRange> ranges) override {
    return store_.load_bars(ranges);
  }
  [[nodiscard]] Result<std::vector<SpanRow>> load_spans(std::int32_t partition) override {
    return store_.load_spans(partition);
  }
  [[nodiscard]] Result<std::optional<PolicyRow>> load_policy(std::string_view hash) override {
    return store_.load_policy(hash);
  }

 private:
  Store& store_;
  std::atomic<Ticket> submitted_ = 0;
  std::atomic<Ticket> done_ = 0;
  std::atomic<std::int64_t> trades_ = 0;
  std::atomic<std::int64_t> finals_ = 0;
  std::atomic<std::int64_t> revisions_ = 0;
};

}  // namespace finpipe
