#include "logs/kafka/client_statistics.h"

#include <simdjson.h>

namespace finpipe::kafka {
namespace {

std::int64_t number(simdjson::dom::object object, std::string_view name) {
  std::int64_t value = 0;
  return object[name].get(value) == simdjson::SUCCESS ? value : 0;
}

// Which broker a configured address leads to is only known when it has answered; then it is among the learned ones too.
bool count_brokers(simdjson::dom::object brokers, std::string_view source, ClientStatistics& statistics) {
  for (const auto& [name, value] : brokers) {
    simdjson::dom::object broker;
    std::string_view of;
    std::string_view state;
    if (value.get(broker) != simdjson::SUCCESS || broker["source"].get(of) != simdjson::SUCCESS || of != source)
      continue;
    ++statistics.brokers;
    if (broker["state"].get(state) == simdjson::SUCCESS && state == "UP") ++statistics.brokers_up;
  }
  return statistics.brokers > 0;
}

}  // namespace

std::optional<ClientStatistics> read_statistics(std::string_view json) {
  simdjson::dom::parser parser;
  simdjson::dom::object root;
  simdjson::dom::object brokers;
  if (parser.parse(simdjson::padded_string(json)).get(root) != simdjson::SUCCESS) return std::nullopt;
  if (root["brokers"].get(brokers) != simdjson::SUCCESS) return std::nullopt;
  ClientStatistics statistics;
  if (!count_brokers(brokers, "learned", statistics)) count_brokers(brokers, "configured", statistics);
  for (const auto& [name, value] : brokers) {
    simdjson::dom::object broker;
    if (value.get(broker) == simdjson::SUCCESS) statistics.retries += number(broker, "txretries");
  }
  std::string_view state;
  std::string_view join_state;
  statistics.has_coordinator = root["cgrp"]["state"].get(state) == simdjson::SUCCESS && state == "up";
  statistics.steady = root["cgrp"]["join_state"].get(join_state) == simdjson::SUCCESS && join_state == "steady";
  simdjson::dom::object topics;
  if (root["topics"].get(topics) != simdjson::SUCCESS) return statistics;
  for (const auto& [topic, value] : topics) {
    simdjson::dom::object partitions;
    if (value["partitions"].get(partitions) != simdjson::SUCCESS) continue;
    for (const auto& [id, partition] : partitions) {
      simdjson::dom::object fields;
      if (partition.get(fields) == simdjson::SUCCESS) statistics.prefetched_bytes += number(fields, "fetchq_size");
    }
  }
  return statistics;
}

}  // namespace finpipe::kafka
