#include "app/follower_store.h"

#include <fmt/format.h>

#include <utility>

namespace finpipe {

Store::Ticket FollowerStore::submit(Commit commit) {
  ++submitted_;
  for (CheckpointRow& row : commit.checkpoints) {
    row.body.clear();
    waiting_.push_back({submitted_, std::move(row)});
  }
  return submitted_;
}

Result<Store::Ticket> FollowerStore::poll() {
  if (waiting_.empty()) return done_ = submitted_;
  const std::int64_t now_ns = clock_.boot_ns();
  if (now_ns - looked_ns_ < kLookNs) return done_;
  looked_ns_ = now_ns;
  known_.clear();
  for (; !waiting_.empty(); waiting_.pop_front()) {
    const auto& [ticket, ours] = waiting_.front();
    auto known = known_.find(ours.partition);
    if (known == known_.end()) {
      FINPIPE_TRY_ASSIGN(stored, to().load_checkpoint(ours.partition));
      known = known_.emplace(ours.partition, stored.value_or(CheckpointRow{ours.partition, 0, 0, {}})).first;
    }
    const CheckpointRow& theirs = known->second;
    if (theirs.generation > ours.generation) {
      return fail(ErrorCode::kCheckpointMismatch,
                  fmt::format("partition {}: generation {} has begun; start anew", ours.partition, theirs.generation));
    }
    if (theirs.offset < ours.offset) return done_;
    done_ = ticket;
  }
  return done_ = submitted_;
}

}  // namespace finpipe
