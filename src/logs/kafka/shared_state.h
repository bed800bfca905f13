// What the writer and the readers of one KafkaLog know of each other, and what is counted over all of them.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "logs/kafka/cluster.h"
#include "market/bar.h"

namespace finpipe::kafka {

struct SharedState {
  SharedState(Cluster& the_cluster, const LogId& id, std::int32_t partitions)
      : cluster(the_cluster),
        log_id(id),
        ends(static_cast<std::size_t>(partitions)),
        asked_ends(static_cast<std::size_t>(partitions)) {}

  [[nodiscard]] std::int32_t partitions() const { return static_cast<std::int32_t>(ends.size()); }

  Cluster& cluster;
  const LogId log_id;
  // One past the last record, by partition; 0: not known yet.
  std::vector<std::atomic<std::int64_t>> ends;        // as acknowledged
  std::vector<std::atomic<std::int64_t>> asked_ends;  // as EndsWatch was told
  std::atomic<std::int64_t> records_read = 0;
  std::atomic<bool> others_wrote = false;  // since it was asked
};

}  // namespace finpipe::kafka
