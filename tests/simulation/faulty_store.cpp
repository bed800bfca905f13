#include "faulty_store.h"

#include <fmt/format.h>

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
  std::vector<BarRow> bars = std::exchange(commit.bars, {});
  std::vector<CheckpointRow> checkpoints = std::exchange(commit.checkpoints, {});
  std::vector<Commit> first;
  if (random_.chance(0.5)) first.emplace_back().revisions = std::exchange(commit.revisions, {});
  if (random_.chance(0.5)) first.emplace_back().spans = std::exchange(commit.spans, {});
  if (random_.chance(0.5)) first.emplace_back().voids = std::exchange(commit.voids, {});
  if (random_.chance(0.5)) first.emplace_back().symbols = std::exchange(commit.symbols, {});
  if (random_.chance(0.5)) first.emplace_back().policies = std::exchange(commit.policies, {});
  first.push_back(std::move(commit));
  const auto queue = [&](auto& contents) {
    for (std::size_t i = contents.size(); i > 1; --i) std::swap(contents[i - 1], contents[random_.below(i)]);
    for (auto& content : contents) pieces_.push_back({std::move(content), ticket, false});
  };
  queue(first);
  queue(bars);
  queue(checkpoints);
  pieces_.back().last = true;
  return ticket;
}

void FaultyStore::work(std::size_t pieces) {
  if (failed_) return;
  // Nobody looks in between, so rows that follow each other may go together.
  Commit rows;
  const auto flush = [&] { shared_.apply(std::exchange(rows, Commit())); };
  for (; pieces > 0 && !pieces_.empty(); --pieces) {
    Piece piece = std::move(pieces_.front());
    pieces_.pop_front();
    if (auto* bar = std::get_if<BarRow>(&piece.content)) rows.bars.push_back(std::move(*bar));
    if (auto* checkpoint = std::get_if<CheckpointRow>(&piece.content))
      rows.checkpoints.push_back(std::move(*checkpoint));
    if (auto* commit = std::get_if<Commit>(&piece.content)) {
      flush();
      shared_.apply(std::move(*commit));
    }
    if (piece.last) done_ = piece.ticket;
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
