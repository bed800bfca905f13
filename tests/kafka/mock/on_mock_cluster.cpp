#include "on_mock_cluster.h"

#include <librdkafka/rdkafka.h>

#include <chrono>
#include <utility>

#include "logs/kafka/settings.h"

namespace finpipe::kafka {
namespace {

constexpr auto kDeadline = std::chrono::seconds(40);

}  // namespace

bool wait_until(const std::function<bool()>& done) {
  const auto begun = std::chrono::steady_clock::now();
  while (!done()) {
    if (std::chrono::steady_clock::now() - begun > kDeadline) return false;
  }
  return true;
}

Append append(LogWriter& writer, const std::string& value, std::int32_t partition) {
  const LogRecord record{RecordType::kTrade, "K", value};
  return writer.append(partition, {&record, 1});
}

void write(LogWriter& writer, const std::string& value, std::int32_t partition) {
  ASSERT_EQ(append(writer, value, partition), Append::kAccepted);
  while (writer.pending_bytes() > 0) ASSERT_TRUE(writer.poll());
}

std::optional<Error> await_error(LogWriter& writer) {
  std::optional<Error> error;
  static_cast<void>(wait_until([&] {
    const auto polled = writer.poll();
    if (!polled) error = polled.error();
    return error.has_value();
  }));
  return error;
}

std::optional<Error> await_error(LogReader& reader) {
  std::optional<Error> error;
  static_cast<void>(wait_until([&] {
    const auto read = reader.poll(1 << 20);
    if (!read) error = read.error();
    return error.has_value();
  }));
  return error;
}

void write_foreign(const KafkaOptions& options, const std::optional<std::string>& key,
                   const std::optional<std::string>& value, const std::string& type, std::string topic,
                   std::int32_t partition) {
  rd_kafka_conf_t* configuration = rd_kafka_conf_new();
  rd_kafka_conf_set(configuration, "bootstrap.servers", options.brokers.c_str(), nullptr, 0);
  rd_kafka_t* client = rd_kafka_new(RD_KAFKA_PRODUCER, configuration, nullptr, 0);
  rd_kafka_headers_t* headers = rd_kafka_headers_new(1);
  if (!type.empty()) rd_kafka_header_add(headers, "type", -1, type.data(), static_cast<std::ptrdiff_t>(type.size()));
  rd_kafka_vu_t arguments[5]{};
  if (topic.empty()) topic = ticks_topic(options);
  arguments[0].vtype = RD_KAFKA_VTYPE_TOPIC;
  arguments[0].u.cstr = topic.c_str();
  arguments[1].vtype = RD_KAFKA_VTYPE_PARTITION;
  arguments[1].u.i32 = partition;
  arguments[2].vtype = RD_KAFKA_VTYPE_KEY;
  if (key) arguments[2].u.mem = {const_cast<char*>(key->c_str()), key->size()};
  arguments[3].vtype = RD_KAFKA_VTYPE_VALUE;
  if (value) arguments[3].u.mem = {const_cast<char*>(value->c_str()), value->size()};
  arguments[4].vtype = RD_KAFKA_VTYPE_HEADERS;
  arguments[4].u.headers = headers;
  ASSERT_EQ(rd_kafka_produceva(client, arguments, 5), nullptr);
  ASSERT_EQ(rd_kafka_flush(client, 20'000), RD_KAFKA_RESP_ERR_NO_ERROR);
  rd_kafka_destroy(client);
}

DeadLetter letter(const std::string& id, std::string raw, std::string detail) {
  DeadLetter made;
  made.id = id;
  made.raw = std::move(raw);
  made.detail = std::move(detail);
  return made;
}

}  // namespace finpipe::kafka
