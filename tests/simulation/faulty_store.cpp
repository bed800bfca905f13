#include "faulty_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "differences.h"

namespace finpipe::simulation {

void SharedStore::remember(Written& written, const BarRow& row, std::int64_t number, std::string_view what) {
  if (row.bar.generation < generation_) return;
  const auto [at, fresh] = written[row.key].try_emplace({row.bar.generation, number}, row.bar);
  if (fresh || at->second == row.bar || impurity_) return;
  impurity_ = fmt::format("two contents under one {}: {} generation {}, offset {} and {}: {}", what, describe(row.key),
                          row.bar.generation, at->second.applied_through, row.bar.applied_through,
                          first_difference(at->second, row.bar));
}

void SharedStore::apply(Commit commit) {
  for (const BarRow& row : commit.bars) remember(bars_, row, row.bar.version, "version");
  for (const RevisionRow& row : commit.revisions) remember(revisions_, row, row.bar.revision, "revision");
  (void)rows_.submit(std::move(commit));
  (void)rows_.poll();
}

Store::Ticket FaultyStore::submit(Commit commit) {
  const Ticket ticket = next_ticket_++;
  if (!fuse_.survives() || failed_) return ticket;
  Waiting& waiting = waiting_.emplace_back(Waiting{ticket, {}});
  const auto queue = [&](std::size_t step, auto& contents) {
    for (auto& content : contents) waiting.steps[step].emplace_back(std::move(content));
    for (std::size_t i = contents.size(); i > 1; --i) {
      std::swap(waiting.steps[step][i - 1], waiting.steps[step][random_.below(i)]);
    }
    queued_ += contents.size();
  };
  std::vector<BarRow> bars = std::exchange(commit.bars, {});
  std::vector<CheckpointRow> checkpoints = std::exchange(commit.checkpoints, {});
  std::vector<Commit> first;
  if (random_.chance(0.5)) first.emplace_back().revisions = std::exchange(commit.revisions, {});
  if (random_.chance(0.5)) first.emplace_back().spans = std::exchange(commit.spans, {});
  if (random_.chance(0.5)) first.emplace_back().voids = std::exchange(commit.voids, {});
  if (random_.chance(0.5)) first.emplace_back().symbols = std::exchange(commit.symbols, {});
  if (random_.chance(0.5)) first.emplace_back().policies = std::exchange(commit.policies, {});
  first.push_back(std::move(commit));
  queue(0, first);
  queue(1, bars);
  queue(2, checkpoints);
  return ticket;
}

bool FaultyStore::can_go_on(std::size_t index) const {
  const std::size_t step = waiting_[index].step;
  const auto has_begun = [](const Waiting& waiting) { return waiting.step > 0; };
  const auto here = waiting_.begin() + static_cast<std::ptrdiff_t>(index);
  return step == 0 || (step == 1 && std::all_of(waiting_.begin(), here, has_begun));
}

FaultyStore::Piece FaultyStore::take() {
  std::size_t index = 0;  // which always can
  if (random_.chance(0.3)) {
    const std::size_t other = random_.below(waiting_.size());
    if (can_go_on(other)) index = other;
  }
  Waiting& waiting = waiting_[index];
  Piece piece = std::move(waiting.steps[waiting.step].back());
  waiting.steps[waiting.step].pop_back();
  --queued_;
  while (waiting.step < kSteps && waiting.steps[waiting.step].empty()) ++waiting.step;
  for (; !waiting_.empty() && waiting_.front().step == kSteps; waiting_.pop_front()) done_ = waiting_.front().ticket;
  return piece;
}

void FaultyStore::work(std::size_t pieces) {
  if (failed_) return;
  // Nobody looks in between, so rows that follow each other may go together.
  Commit rows;
  const auto flush = [&] { shared_.apply(std::exchange(rows, Commit())); };
  for (; pieces > 0 && queued_ > 0; --pieces) {
    Piece piece = take();
    if (auto* bar = std::get_if<BarRow>(&piece)) rows.bars.push_back(std::move(*bar));
    if (auto* checkpoint = std::get_if<CheckpointRow>(&piece)) rows.checkpoints.push_back(std::move(*checkpoint));
    if (auto* commit = std::get_if<Commit>(&piece)) {
      flush();
      shared_.apply(std::move(*commit));
    }
  }
  flush();
}

Result<Store::Ticket> FaultyStore::poll() {
  FINPIPE_TRY(fuse_.check());
  if (failed_) return fail(ErrorCode::kIo, "a write failed");
  return done_;
}
Result<std::optional<CheckpointRow>> FaultyStore::load_checkpoint(std::int32_t partition) {
  FINPIPE_TRY(fuse_.check());
  return shared_.rows().load_checkpoint(partition);
}
Result<std::vector<SymbolRow>> FaultyStore::load_symbols(std::int32_t partition) {
  FINPIPE_TRY(fuse_.check());
  return shared_.rows().load_symbols(partition);
}
Result<std::vector<BarRow>> FaultyStore::load_bars(std::span<const BarRange> ranges) {
  FINPIPE_TRY(fuse_.check());
  return shared_.rows().load_bars(ranges);
}
Result<std::vector<SpanRow>> FaultyStore::load_spans(std::int32_t partition) {
  FINPIPE_TRY(fuse_.check());
  return shared_.rows().load_spans(partition);
}
Result<std::vector<VoidRow>> FaultyStore::load_voids(std::int32_t partition) {
  FINPIPE_TRY(fuse_.check());
  return shared_.rows().load_voids(partition);
}
Result<void> FaultyStore::load_ticks(const TickRange& range, const std::function<void(const Tick&)>& visit) {
  FINPIPE_TRY(fuse_.check());
  return shared_.rows().load_ticks(range, visit);
}
Result<std::optional<PolicyRow>> FaultyStore::load_policy(std::string_view hash) {
  FINPIPE_TRY(fuse_.check());
  return shared_.rows().load_policy(hash);
}

}  // namespace finpipe::simulation
