#include "logs/kafka/foreign_values.h"

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include "base/time.h"

namespace finpipe::kafka {

SchemaTranslator make_translator(const Cluster& cluster) {
  const WireSchemas& schemas = cluster.options().schemas;
  return {schemas.ours, schemas.look_up};
}

std::span<char> value_of(const rd_kafka_message_s& message) {
  return {static_cast<char*>(message.payload), message.payload == nullptr ? 0 : message.len};
}

Result<void> check_schema_patience(Cluster& cluster, std::int64_t since_ns, std::string_view what) {
  constexpr std::int64_t kInterruptMs = 500;  // so long even an interrupt lets it wait for an answer
  const std::int64_t waited_ms = (cluster.now_ns() - since_ns) / kNsPerMs;
  if (waited_ms >= kInterruptMs && cluster.interrupted()) return fail(ErrorCode::kInterrupted, std::string(what));
  const std::int64_t patience_ms = cluster.options().patience_ms;
  if (patience_ms == 0 || waited_ms < patience_ms) return {};
  const auto why = cluster.options().schemas.trouble();
  return fail(ErrorCode::kRegistryUnreachable, fmt::format("{}: {}", what, why.value_or("no answer")));
}

Result<SchemaTranslator::Ours> await_from_wire(Client& client, SchemaTranslator& translator, std::span<char> value,
                                               std::string& scratch) {
  constexpr int kStepMs = 10;
  Cluster& cluster = client.cluster();
  const std::int64_t since_ns = cluster.now_ns();
  while (true) {
    FINPIPE_TRY(cluster.options().schemas.poll());
    if (const auto ours = translator.from_wire(value, scratch)) return *ours;
    FINPIPE_TRY(check_schema_patience(cluster, since_ns, client.topic_name()));
    client.poll(kStepMs);
  }
}

}  // namespace finpipe::kafka
