// How the pipeline is doing, as the checkpoints in the store say: the same whether it runs in this process or in
// others.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "pipeline/checkpoint.h"
#include "pipeline/ports.h"

namespace finpipe {

constexpr std::int64_t kStaleAfterMs = 5'000;  // without a heartbeat

struct StatusOptions {
  std::string version;
  std::string role{};                                   // of this process; empty: none
  std::function<std::string()> feed_detail;             // what to say about the feed beyond its state; null: nothing
  std::function<std::optional<Error>()> feed_error;     // why the feed is not connected; null: there is none
  std::function<std::vector<std::int64_t>()> log_ends;  // by partition; -1, or none: not known; null: none is
};

[[nodiscard]] Result<std::vector<Checkpoint>> read_checkpoints(Query& query);

// STATUS of docs/api.md.
[[nodiscard]] Result<std::string> status_json(Query& query, Clock& clock, const StatusOptions& options);
// The account of trades, per session and partition.
[[nodiscard]] Result<std::string> ledger_json(Query& query);

}  // namespace finpipe
