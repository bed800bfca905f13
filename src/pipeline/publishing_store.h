// A store whose commits are published before they are stored: each version of a bar that a commit has, closed versions
// first, becomes a record of a log of bars. Bars are stored only when their records are acknowledged, so whoever keeps
// the record with the highest (generation, version) of each (symbol, interval, start) misses nothing, whatever was
// killed in between; what is published again after that is the same.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/forwarding_store.h"

namespace finpipe {

class PublishingStore final : public ForwardingStore {
 public:
  // `bars` has the partitions of the log whose bars these are.
  PublishingStore(Store& store, LogWriter& bars) : ForwardingStore(store), bars_(bars) {}

  [[nodiscard]] Ticket submit(Commit commit) override;
  // Errors: those of both.
  [[nodiscard]] Result<Ticket> poll() override;

 private:
  struct Waiting {
    Ticket ticket;
    Commit commit;
  };

  void append();

  LogWriter& bars_;
  std::deque<Waiting> queued_;                       // nothing of them is appended
  std::vector<Waiting> appending_;                   // all that is appended and not acknowledged is of these
  std::vector<const BarRow*> rows_;                  // of those, in order
  std::size_t appended_ = 0;                         // so many of the rows
  std::deque<std::pair<Ticket, Ticket>> submitted_;  // our ticket, and the store's
  std::string value_;
  Ticket next_ = 1;
  Ticket done_ = 0;
};

}  // namespace finpipe
