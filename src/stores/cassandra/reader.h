// SELECTs that wait for their rows. Several are under way at once, and their rows come in the order of the SELECTs.
// What fails for a time is asked again.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/time.h"
#include "stores/cassandra/link.h"
#include "stores/cassandra/trouble.h"

namespace finpipe::cql {

struct Select {
  Statement statement;
  std::string cells;
};

struct ReaderOptions {
  std::int64_t patience_ms = 0;  // gives up after so long without an answer, with kStoreUnreachable; 0: never
  Trouble* trouble = nullptr;    // told while it waits
  // With patience: whose trouble ends the waiting at once. Then, and for a second after it gave up, nobody waits.
  const Trouble* known_trouble = nullptr;
};

class Reader {
 public:
  // Sees the cells of one row of the SELECT at `index`; false stops. It may read itself.
  using Visit = std::function<Result<bool>(std::size_t index, CellReader& cells)>;
  using MakeLink = std::function<std::unique_ptr<Link>()>;

  Reader(MakeLink make_link, Clock& clock, const std::atomic<bool>& interrupted, ReaderOptions options)
      : make_link_(std::move(make_link)), clock_(clock), interrupted_(interrupted), options_(options) {}

  // Errors: kInterrupted, kStoreUnreachable, those of error_of, and the visitor's. True: all was visited.
  [[nodiscard]] Result<bool> visit(std::span<const Select> selects, std::size_t most_under_way,
                                   const Visit& visit) const;

 private:
  static constexpr std::int64_t kNoWaitNs = kNsPerSecond;
  class Scan;

  [[nodiscard]] std::unexpected<Error> give_up(std::string why) const;

  MakeLink make_link_;
  Clock& clock_;
  const std::atomic<bool>& interrupted_;
  ReaderOptions options_;
  mutable std::optional<std::int64_t> gave_up_ns_;
};

}  // namespace finpipe::cql
