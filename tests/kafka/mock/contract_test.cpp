// The log contract on the mock cluster.
#include "log_subject.h"
#include "mock_cluster.h"

namespace finpipe {
namespace {

std::unique_ptr<LogSubject> make(std::int32_t partitions, std::size_t max_pending_bytes) {
  static kafka::MockCluster cluster;
  KafkaOptions options = cluster.new_log(partitions);
  options.max_pending_bytes = max_pending_bytes;
  return kafka_test::log_subject(options, false, std::chrono::milliseconds(100));
}

INSTANTIATE_TEST_SUITE_P(Logs, LogContract, testing::Values(LogFactory{"KafkaMock", make}),
                         [](const auto& factory) { return factory.param.name; });

}  // namespace
}  // namespace finpipe
