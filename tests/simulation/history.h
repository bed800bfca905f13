// Seeded histories of a log: everything that a feed, its accidents and its late truths can put into a few partitions.
// The same seed makes the same bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "market/bar.h"
#include "pipeline/ports.h"

namespace finpipe::simulation {

struct HistoryRecord {
  std::int32_t partition = 0;
  RecordType type = RecordType::kTrade;
  std::optional<std::string> key;
  std::string value;

  [[nodiscard]] LogRecord view() const {
    return {type, key ? std::optional<std::string_view>(*key) : std::nullopt, value};
  }
};

struct History {
  LogId log_id{};
  std::int32_t partitions = 0;
  std::vector<HistoryRecord> records;  // in the order in which they are appended; at least 300 a partition
};

constexpr std::int64_t kRecordsPerPartition = 300;

[[nodiscard]] History make_history(std::uint64_t seed);

}  // namespace finpipe::simulation
