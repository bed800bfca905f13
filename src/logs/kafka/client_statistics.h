// What matters of the statistics that librdkafka gives each second (its STATISTICS.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace finpipe::kafka {

struct ClientStatistics {
  std::int64_t brokers = 0;
  std::int64_t brokers_up = 0;
  std::int64_t retries = 0;
  std::int64_t prefetched_bytes = 0;
  // Of a member of a group.
  bool has_coordinator = false;
  bool steady = false;  // nobody joins or leaves
};

// nullopt: it is no JSON of librdkafka.
[[nodiscard]] std::optional<ClientStatistics> read_statistics(std::string_view json);

}  // namespace finpipe::kafka
