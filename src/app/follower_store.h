// The store of a process that follows a log which others process: it makes the same bars from the same log, and stores
// nothing. What it loads is in the store that they write; a commit of its own is done once theirs have come as far.
#pragma once

#include <cstdint>
#include <deque>
#include <map>

#include "base/clock.h"
#include "base/time.h"
#include "pipeline/forwarding_store.h"

namespace finpipe {

class FollowerStore final : public ForwardingStore {
 public:
  FollowerStore(Store& store, Clock& clock) : ForwardingStore(store), clock_(clock) {}

  [[nodiscard]] Ticket submit(Commit commit) override;
  // Looks at the checkpoints every kLookNs. kCheckpointMismatch: a new generation has begun, start anew.
  [[nodiscard]] Result<Ticket> poll() override;

 private:
  static constexpr std::int64_t kLookNs = 200 * kNsPerMs;
  struct Waiting {
    Ticket ticket;
    CheckpointRow checkpoint;  // without its body
  };

  Clock& clock_;
  std::deque<Waiting> waiting_;
  std::map<std::int32_t, CheckpointRow> known_;  // by partition, as last looked at
  Ticket submitted_ = 0;
  Ticket done_ = 0;
  std::int64_t looked_ns_ = 0;
};

}  // namespace finpipe
