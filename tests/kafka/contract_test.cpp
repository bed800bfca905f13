// The log contract on a server: with one log object, and with a new one after each write.
#include "kafka_server.h"
#include "log_subject.h"

namespace finpipe {
namespace {

template <bool reopens, KafkaOptions::Profile profile>
std::unique_ptr<LogSubject> make(std::int32_t partitions, std::size_t max_pending_bytes) {
  KafkaOptions options = kafka_test::new_log(partitions);
  options.max_pending_bytes = max_pending_bytes;
  options.profile = profile;
  return kafka_test::log_subject(options, reopens, std::chrono::milliseconds(200));
}

using Profile = KafkaOptions::Profile;
INSTANTIATE_TEST_SUITE_P(Logs, LogContract,
                         testing::Values(LogFactory{"Kafka", make<false, Profile::kLatency>},
                                         LogFactory{"KafkaReopened", make<true, Profile::kLatency>},
                                         LogFactory{"KafkaThroughput", make<false, Profile::kThroughput>}),
                         [](const auto& factory) { return factory.param.name; });

}  // namespace
}  // namespace finpipe
