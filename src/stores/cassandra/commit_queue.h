// Commits on their way to the cluster. Each is written in steps: trades, revisions and what finds them again; then
// bars, when all commits before have done their first step too, since a bar's row says that its revisions are there;
// then the checkpoint, when the commits before are whole. The steps of several commits overlap otherwise.
//
// Rows of one partition travel together. How many requests are under way follows what the cluster can take, half as
// many when it was late or had too much to do, and what is needed: while commits wait for each other, one more for each
// window that was answered well. A commit in good time leaves the cluster to those who read. What fails for a time is
// sent again, with the same timestamps, until it succeeds.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "stores/cassandra/link.h"
#include "stores/cassandra/trouble.h"

namespace finpipe::cql {

// Which rows of tick_buckets and series have been written of late. Forgetting costs a write that changes nothing.
class KnownBuckets {
 public:
  // True: it is new.
  [[nodiscard]] bool add(std::string_view symbol, std::string_view kind, std::string_view bucket);

 private:
  static constexpr std::size_t kRemembered = 4;  // of one symbol and kind
  struct Recent {
    std::array<std::string, kRemembered> buckets;
    std::size_t count = 0;
  };
  std::unordered_map<std::string, Recent> recent_;
  std::string key_;
};

struct CommitStatistics {
  std::int64_t rows_written = 0;
  std::int64_t retries = 0;
  std::int64_t timeouts = 0;
  std::int64_t overloads = 0;
  std::int64_t in_flight = 0;
  std::int64_t window = 0;
};

class CommitQueue {
 public:
  static constexpr std::size_t kBatchRows = 50;
  static constexpr std::size_t kBatchBytes = std::size_t{32} * 1024;
  static constexpr double kLeastWindow = 2, kMostWindow = 256;

  // `patience_ms`: of poll, without an answer; 0: for ever.
  CommitQueue(Link& link, Clock& clock, Trouble& trouble, std::int64_t patience_ms = 0)
      : link_(link), clock_(clock), trouble_(trouble), patience_ns_(patience_ms * kNsPerMs) {}

  [[nodiscard]] Store::Ticket submit(const Commit& commit);
  // Sends and receives; never waits long. Errors are permanent.
  [[nodiscard]] Result<Store::Ticket> poll();
  [[nodiscard]] CommitStatistics statistics() const;

 private:
  static constexpr std::size_t kSteps = 3;
  struct Request {
    Statement statement;
    std::uint32_t rows;
    std::string cells;
    int failures = 0;
  };
  struct Pending {
    Store::Ticket ticket = 0;
    std::array<std::vector<Request>, kSteps> steps;
    std::size_t step = 0;
    std::size_t next = 0;  // of the step, to be sent
    std::size_t open = 0;  // of the step, not acknowledged
  };
  struct Sent {
    Pending* commit;
    std::size_t request;
  };
  struct Again {
    std::int64_t due_ns;
    Sent what;
  };

  void add_ticks(const Commit& commit, Pending& pending);
  void add_bars(const BlockList<BarRow>& rows, std::size_t step, bool revisions, Pending& pending);
  void add_checkpoints(const Commit& commit, Pending& pending);
  void add(Pending& pending, std::size_t step, Statement statement, const CellWriter& cells);
  void add_partition(Pending& pending, std::int32_t partition);
  void add_series(Pending& pending, std::string_view symbol, std::string_view kind, std::string_view bucket);
  void add_tick_bucket(Pending& pending, std::string_view symbol, std::int64_t bucket);
  [[nodiscard]] std::size_t receive();
  void take(const Answer& answer);
  void resend();
  std::size_t send_new();
  void send(const Sent& what);
  [[nodiscard]] bool is_full() const { return sent_.size() >= static_cast<std::size_t>(window_); }
  // Goes on to the next step that has something in it.
  void advance(Pending& pending, bool others_began);

  Link& link_;
  Clock& clock_;
  Trouble& trouble_;
  std::int64_t patience_ns_;
  std::deque<Pending> pending_;
  std::unordered_map<std::uint64_t, Sent> sent_;
  std::deque<Again> again_;
  std::uint64_t next_tag_ = 1;
  Store::Ticket submitted_ = 0;
  Store::Ticket done_ = 0;
  double window_ = kLeastWindow;
  std::int64_t shrunk_ns_ = 0;
  bool idle_ = false;  // the last poll had nothing to do but wait
  std::optional<Error> failure_;
  CommitStatistics statistics_;
  KnownBuckets known_;
  std::set<std::int32_t> partitions_;       // that are listed
  std::map<std::int32_t, Ledger> ledgers_;  // as last written, by partition
  CellWriter cells_;
};

}  // namespace finpipe::cql
