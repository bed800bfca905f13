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
  Waiting& waiting = waiting_.emplace_back();
  waiting.ticket = ticket;
  for (const BarRow& row : std::exchange(commit.bars, {})) waiting.bars.push_back(row);
  waiting.checkpoints = std::exchange(commit.checkpoints, {});
  std::vector<Commit>& first = waiting.first;
  if (random_.chance(0.5)) first.emplace_back().revisions = std::exchange(commit.revisions, {});
  if (random_.chance(0.5)) first.emplace_back().spans = std::exchange(commit.spans, {});
  if (random_.chance(0.5)) first.emplace_back().voids = std::exchange(commit.voids, {});
  if (random_.chance(0.5)) first.emplace_back().symbols = std::exchange(commit.symbols, {});
  if (random_.chance(0.5)) first.emplace_back().policies = std::exchange(commit.policies, {});
  first.push_back(std::move(commit));
  queued_ += waiting.pieces();
  return ticket;
}

bool FaultyStore::can_go_on(std::size_t index) const {
  const std::size_t step = waiting_[index].step();
  if (index == 0 || step == 0) return true;
  if (step == 2 || waiting_[index].pieces() == 0) return false;
  const auto here = waiting_.begin() + static_cast<std::ptrdiff_t>(index);
  return std::all_of(waiting_.begin(), here, [](const Waiting& before) { return before.step() > 0; });
}

template <typename Piece>
Piece FaultyStore::take_any(std::vector<Piece>& pieces) {
  std::swap(pieces[random_.below(pieces.size())], pieces.back());
  Piece piece = std::move(pieces.back());
  pieces.pop_back();
  --queued_;
  return piece;
}

void FaultyStore::work(std::size_t pieces) {
  if (failed_) return;
  // Nobody looks in between, so rows that follow each other may go together.
  Commit rows;
  const auto flush = [&] { shared_.apply(std::exchange(rows, Commit())); };
  const bool newest_first = random_.chance(0.5);
  for (; pieces > 0 && queued_ > 0; --pieces) {
    std::size_t index = newest_first ? waiting_.size() - 1 : 0;
    while (!can_go_on(index)) --index;
    Waiting& waiting = waiting_[index];
    switch (waiting.step()) {
      case 0:
        flush();
        shared_.apply(take_any(waiting.first));
        break;
      case 1: rows.bars.push_back(take_any(waiting.bars)); break;
      default: rows.checkpoints.push_back(take_any(waiting.checkpoints));
    }
    for (; !waiting_.empty() && waiting_.front().pieces() == 0; waiting_.pop_front()) done_ = waiting_.front().ticket;
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
