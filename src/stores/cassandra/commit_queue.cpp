#include "stores/cassandra/commit_queue.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/time.h"
#include "pipeline/checkpoint.h"

namespace finpipe::cql {
namespace {

constexpr std::int64_t kShrinkPauseNs = 200 * kNsPerMs;  // answers of one jam count once

// Rows by the request that takes them: one partition's travel together, in batches.
template <typename Key>
class Batches {
 public:
  [[nodiscard]] bool contains(const Key& key) const { return index_.contains(key); }
  // Where the next row of `key` goes.
  template <typename Request>
  Request& request(const Key& key, std::vector<Request>& requests, Statement statement) {
    const auto [at, is_new] = index_.try_emplace(key, requests.size());
    if (!is_new) {
      Request& begun = requests[at->second];
      if (begun.rows < CommitQueue::kBatchRows && begun.cells.size() < CommitQueue::kBatchBytes) return begun;
      at->second = requests.size();
    }
    return requests.emplace_back(Request{statement, 0, {}});
  }

 private:
  std::map<Key, std::size_t> index_;
};

}  // namespace

bool KnownBuckets::add(std::string_view symbol, std::string_view kind, std::string_view bucket) {
  key_.assign(symbol).append(1, '\0').append(kind);
  Recent& recent = recent_[key_];
  const auto known = std::span(recent.buckets).first(std::min(recent.count, kRemembered));
  if (std::ranges::find(known, bucket) != known.end()) return false;
  recent.buckets[recent.count++ % kRemembered] = bucket;
  return true;
}

// ---- Taking commits apart ------------------------------------------------------------------------------------------

Store::Ticket CommitQueue::submit(const Commit& commit) {
  Pending& pending = pending_.emplace_back();
  pending.ticket = ++submitted_;
  add_ticks(commit, pending);
  add_bars(commit.revisions, 0, true, pending);
  for (const SpanRow& row : commit.spans) {
    cells_.clear();
    put_gap(row, cells_);
    add(pending, 0, Statement::kPutGap, cells_);
    add_partition(pending, row.partition);
  }
  for (const VoidRow& row : commit.voids) {
    cells_.clear();
    put_void(row, cells_);
    add(pending, 0, Statement::kPutVoid, cells_);
    add_partition(pending, row.partition);
  }
  for (const SymbolRow& row : commit.symbols) {
    cells_.clear();
    put_symbol(row, commit.generation, cells_);
    add(pending, 0, Statement::kPutSymbol, cells_);
  }
  for (const PolicyRow& row : commit.policies) {
    cells_.clear();
    put_policy(row, cells_);
    add(pending, 0, Statement::kPutPolicy, cells_);
  }
  add_bars(commit.bars, 1, false, pending);
  add_checkpoints(commit, pending);
  pending.open = pending.steps[0].size();
  return pending.ticket;
}

void CommitQueue::add(Pending& pending, std::size_t step, Statement statement, const CellWriter& cells) {
  pending.steps[step].push_back({statement, 1, cells.bytes()});
}

void CommitQueue::add_partition(Pending& pending, std::int32_t partition) {
  if (!partitions_.insert(partition).second) return;
  cells_.clear();
  cells_.integer(partition);
  add(pending, 0, Statement::kPutPartition, cells_);
}

void CommitQueue::add_series(Pending& pending, std::string_view symbol, std::string_view kind,
                             std::string_view bucket) {
  if (!known_.add(symbol, kind, bucket)) return;
  cells_.clear();
  cells_.text(symbol).text(kind).text(bucket);
  add(pending, 0, Statement::kPutSeries, cells_);
}

void CommitQueue::add_tick_bucket(Pending& pending, std::string_view symbol, std::int64_t bucket) {
  if (!known_.add(symbol, "tick_buckets", fmt::to_string(bucket))) return;
  const std::string day = day_of(bucket);
  cells_.clear();
  cells_.text(symbol).text(day).timestamp_ms(bucket);
  add(pending, 0, Statement::kPutTickBucket, cells_);
  add_series(pending, symbol, kTickSeries, day);
}

void CommitQueue::add_ticks(const Commit& commit, Pending& pending) {
  Batches<std::pair<std::string_view, std::int64_t>> batches;
  auto& requests = pending.steps[0];
  for (const Tick& tick : commit.ticks) {
    const std::string_view symbol = tick.trade.symbol;
    const std::int64_t bucket = tick_bucket(tick.trade.event_time_ms);
    if (!batches.contains({symbol, bucket})) add_tick_bucket(pending, symbol, bucket);
    cells_.clear();
    put_tick(tick, commit.generation, cells_);
    Request& request = batches.request({symbol, bucket}, requests, Statement::kPutTick);
    request.cells += cells_.bytes();
    ++request.rows;
  }
}

void CommitQueue::add_bars(const BlockList<BarRow>& rows, std::size_t step, bool revisions, Pending& pending) {
  // Of one row the newest version, and of equal ones the last: two writes with one timestamp would be mixed.
  std::map<std::tuple<BarKey, std::int64_t, std::int32_t>, const BarRow*> newest;
  for (const BarRow& row : rows) {
    const Bar& bar = row.bar;
    auto& at =
        newest[revisions ? std::tuple(row.key, bar.generation, bar.revision) : std::tuple(row.key, std::int64_t{0}, 0)];
    if (at == nullptr || std::tie(at->bar.generation, at->bar.version) <= std::tie(bar.generation, bar.version))
      at = &row;
  }
  Batches<std::tuple<std::string_view, Interval, std::string>> batches;
  for (const auto& [place, row] : newest) {
    const BarKey& key = row->key;
    if (row->bar.version > max_version(key.interval)) {
      failure_ = Error{ErrorCode::kStoreRefused,
                       fmt::format("bar {} {} {} has changed {} times; a store in Cassandra takes {}", key.symbol,
                                   finpipe::to_string(key.interval), format_time_ms(key.start_ms), row->bar.version,
                                   max_version(key.interval))};
    }
    const std::string bucket = bar_bucket(key.interval, key.start_ms);
    add_series(pending, key.symbol, series_kind(key.interval), bucket);
    const bool seconds = key.interval == Interval::k1s;
    const Statement statement = revisions ? (seconds ? Statement::kPutRevision1s : Statement::kPutRevision)
                                          : (seconds ? Statement::kPutBar1s : Statement::kPutBar);
    cells_.clear();
    put_bar(*row, cells_);
    Request& request = batches.request({key.symbol, key.interval, bucket}, pending.steps[step], statement);
    request.cells += cells_.bytes();
    ++request.rows;
  }
}

void CommitQueue::add_checkpoints(const Commit& commit, Pending& pending) {
  std::map<std::int32_t, const CheckpointRow*> newest;
  for (const CheckpointRow& row : commit.checkpoints) {
    const CheckpointRow*& at = newest[row.partition];
    if (at == nullptr || checkpoint_timestamp_us(*at) <= checkpoint_timestamp_us(row)) at = &row;
  }
  for (const auto& [partition, row] : newest) {
    add_partition(pending, partition);
    cells_.clear();
    put_checkpoint(*row, cells_);
    add(pending, 2, Statement::kPutCheckpoint, cells_);
    const auto checkpoint = decode_checkpoint(*row);
    if (!checkpoint) continue;  // for others to read; ours is the body
    Ledger& written = ledgers_[partition];
    for (const auto& [session, account] : checkpoint->ledger) {
      const auto [at, is_new] = written.try_emplace(session, account);
      if (!is_new && at->second == account) continue;
      at->second = account;
      cells_.clear();
      put_ledger(*row, session, account, cells_);
      add(pending, 2, Statement::kPutLedger, cells_);
    }
  }
}

// ---- To the cluster and back ---------------------------------------------------------------------------------------

Result<Store::Ticket> CommitQueue::poll() {
  const std::size_t received = receive();
  if (failure_) return fail(*failure_);
  resend();
  bool others_began = true;  // all commits before have left their first step
  for (Pending& pending : pending_) {
    advance(pending, others_began);
    others_began = others_began && pending.step > 0;
  }
  while (!pending_.empty() && pending_.front().step == kSteps) {
    done_ = pending_.front().ticket;
    pending_.pop_front();
    if (!pending_.empty()) advance(pending_.front(), true);
  }
  const std::size_t sent = send_new();
  idle_ = received == 0 && sent == 0 && !pending_.empty();
  if (pending_.empty()) {
    window_ = kLeastWindow;
    trouble_.all_is_well();
    return done_;
  }
  const std::int64_t waited_ns = trouble_.waiting(clock_.boot_ns());
  if (patience_ns_ > 0 && waited_ns >= patience_ns_) {
    failure_ = Error{ErrorCode::kStoreUnreachable, trouble_.text().value_or("no answer")};
    return fail(*failure_);
  }
  return done_;
}

std::size_t CommitQueue::receive() {
  std::size_t received = 0;
  // Whoever polls and polls while nothing can be done would burn a processor that the cluster may need.
  for (std::uint32_t wait_ms = idle_ || is_full() ? 1 : 0;; wait_ms = 0) {
    const std::vector<Answer> answers = link_.receive(wait_ms);
    for (const Answer& answer : answers) take(answer);
    received += answers.size();
    if (answers.empty()) return received;
  }
}

void CommitQueue::take(const Answer& answer) {
  const auto found = sent_.find(answer.tag);
  if (found == sent_.end()) return;
  const Sent what = found->second;
  sent_.erase(found);
  Request& request = what.commit->steps[what.commit->step][what.request];
  const std::int64_t now_ns = clock_.boot_ns();
  if (answer.status == FP_CQL_OK) {
    statistics_.rows_written += request.rows;
    request.cells = std::string();
    --what.commit->open;
    if (pending_.size() > 1) window_ = std::min(window_ + 1 / window_, kMostWindow);
    trouble_.all_is_well();
    return;
  }
  if (!is_passing(answer.status)) {
    if (!failure_) failure_ = error_of(answer.status, answer.message);
    return;
  }
  ++statistics_.retries;
  statistics_.timeouts += answer.status == FP_CQL_TIMEOUT;
  statistics_.overloads += answer.status == FP_CQL_OVERLOADED;
  if (answer.status != FP_CQL_UNREACHABLE && now_ns - shrunk_ns_ >= kShrinkPauseNs) {
    shrunk_ns_ = now_ns;
    window_ = std::max(window_ / 2, kLeastWindow);
  }
  trouble_.waiting(now_ns, answer.message);
  const std::int64_t delay_ns = retry_delay_ns(request.failures++);
  again_.push_back({now_ns + delay_ns, what});
}

void CommitQueue::resend() {
  const std::int64_t now_ns = clock_.boot_ns();
  for (std::size_t left = again_.size(); left > 0; --left) {
    const Again first = again_.front();
    again_.pop_front();
    if (first.due_ns <= now_ns && !is_full()) {
      send(first.what);
    } else {
      again_.push_back(first);
    }
  }
}

void CommitQueue::advance(Pending& pending, bool others_began) {
  while (pending.step < kSteps && pending.open == 0) {
    if (pending.step == 0 && !others_began) return;
    const bool to_checkpoint = pending.step + 1 == kSteps - 1 && !pending.steps[kSteps - 1].empty();
    if (to_checkpoint && &pending != &pending_.front()) return;
    ++pending.step;
    pending.next = 0;
    if (pending.step < kSteps) pending.open = pending.steps[pending.step].size();
  }
}

std::size_t CommitQueue::send_new() {
  std::size_t sent = 0;
  for (Pending& pending : pending_) {
    if (pending.step == kSteps) continue;
    const std::size_t count = pending.steps[pending.step].size();
    for (; pending.next < count; ++sent) {
      if (is_full()) return sent;
      send({&pending, pending.next++});
    }
  }
  return sent;
}

void CommitQueue::send(const Sent& what) {
  const Request& request = what.commit->steps[what.commit->step][what.request];
  const std::uint64_t tag = next_tag_++;
  sent_.emplace(tag, what);
  link_.write(request.statement, request.rows, request.cells, tag);
}

CommitStatistics CommitQueue::statistics() const {
  CommitStatistics statistics = statistics_;
  statistics.in_flight = static_cast<std::int64_t>(sent_.size());
  statistics.window = static_cast<std::int64_t>(window_);
  return statistics;
}

}  // namespace finpipe::cql
