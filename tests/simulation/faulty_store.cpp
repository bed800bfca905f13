#include "faulty_store.h"

#include <algorithm>
#include <utility>

#include "differences.h"

namespace finpipe::simulation {

void SharedStore::remember(const BarRow& row, std::int64_t number, bool revision) {
  const auto [at, fresh] = written_.try_emplace({row.key, row.bar.generation, number, revision}, row.bar);
  if (fresh || at->second == row.bar || impurity_) return;
  impurity_ = std::string(revision ? "two contents of one revision: " : "two contents under one version: ") +
              describe(row.key) + ": " + first_difference(at->second, row.bar);
}

void SharedStore::apply(Commit piece) {
  for (const BarRow& row : piece.bars) remember(row, row.bar.version, false);
  for (const RevisionRow& row : piece.revisions) remember(row, row.bar.revision, true);
  (void)rows_.submit(std::move(piece));
  (void)rows_.poll();
}

Store::Ticket FaultyStore::submit(Commit commit) {
  const Ticket ticket = next_ticket_++;
  std::vector<Commit> first, bars, checkpoints;
  for (BarRow& row : std::exchange(commit.bars, {})) bars.emplace_back().bars.push_back(std::move(row));
  for (CheckpointRow& row : std::exchange(commit.checkpoints, {})) {
    checkpoints.emplace_back().checkpoints.push_back(std::move(row));
  }
  const auto shuffle = [this](std::vector<Commit>& pieces) {
    for (std::size_t i = pieces.size(); i > 1; --i) std::swap(pieces[i - 1], pieces[random_.below(i)]);
  };
  if (random_.chance(0.5)) first.emplace_back().revisions = std::exchange(commit.revisions, {});
  if (random_.chance(0.5)) first.emplace_back().spans = std::exchange(commit.spans, {});
  if (random_.chance(0.5)) first.emplace_back().symbols = std::exchange(commit.symbols, {});
  if (random_.chance(0.5)) first.emplace_back().policies = std::exchange(commit.policies, {});
  first.push_back(std::move(commit));
  shuffle(first);
  shuffle(bars);
  for (auto* stage : {&first, &bars, &checkpoints}) {
    for (Commit& piece : *stage) pieces_.push_back({std::move(piece), ticket, false});
  }
  pieces_.back().last = true;
  return ticket;
}

void FaultyStore::work(std::size_t pieces) {
  for (; pieces > 0 && !pieces_.empty(); --pieces) {
    Piece piece = std::move(pieces_.front());
    pieces_.pop_front();
    shared_.apply(std::move(piece.commit));
    if (piece.last) done_ = piece.ticket;
  }
}

Result<std::optional<CheckpointRow>> FaultyStore::load_checkpoint(std::int32_t partition) {
  return shared_.rows().load_checkpoint(partition);
}
Result<std::vector<SymbolRow>> FaultyStore::load_symbols(std::int32_t partition) {
  return shared_.rows().load_symbols(partition);
}
Result<std::vector<BarRow>> FaultyStore::load_bars(std::span<const BarRange> ranges) {
  return shared_.rows().load_bars(ranges);
}
Result<std::vector<SpanRow>> FaultyStore::load_spans(std::int32_t partition) {
  return shared_.rows().load_spans(partition);
}
Result<std::optional<PolicyRow>> FaultyStore::load_policy(std::string_view hash) {
  return shared_.rows().load_policy(hash);
}

}  // namespace finpipe::simulation
