// The log on Kafka on a server that FINPIPE_KAFKA=host:port names, beside librdkafka used bare with the same settings:
// those of `--kafka-profile throughput`. benchmarks/kafka/compare.py starts the server, runs Python's client beside
// them and prints the ratios.
//
//   kafka_bench create PREFIX PARTITIONS               makes the topics of a log
//   kafka_bench produce finpipe|librdkafka PREFIX N    writes N trades
//   kafka_bench consume SIDE PREFIX                    reads what finpipe has written; SIDE: finpipe, finpipe-no-store,
//                                                      librdkafka, or librdkafka-batches, its cheapest way
//   kafka_bench settings writer|reader PARTITIONS      what rivals tell librdkafka, a name and value a line
#include <fmt/format.h>

#include <charconv>
#include <string>
#include <string_view>
#include <vector>

#include "kafka/measure.h"
#include "kafka/sides.h"
#include "logs/kafka/kafka_topics.h"
#include "logs/kafka/settings.h"

namespace finpipe::kafka_bench {
namespace {

[[noreturn]] void usage() {
  give_up(
      "usage: kafka_bench create PREFIX PARTITIONS | produce finpipe|librdkafka PREFIX N | "
      "consume finpipe|finpipe-no-store|librdkafka|librdkafka-batches PREFIX | settings writer|reader PARTITIONS");
}

std::int64_t number_of(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.begin(), text.end(), number);
  if (error != std::errc{} || end != text.end() || number <= 0) usage();
  return number;
}

void run(const std::vector<std::string>& words) {
  const std::string what = words.empty() ? "" : words[0];
  if (what == "create" && words.size() == 3) {
    must(create_kafka_topics(options_of(words[1]), {.partitions = static_cast<std::int32_t>(number_of(words[2]))}));
  } else if (what == "produce" && words.size() == 4) {
    const auto produce = words[1] == "finpipe" ? produce_with_finpipe : produce_with_librdkafka;
    produce(options_of(words[2]), Trades(), number_of(words[3]));
  } else if (what == "consume" && words.size() == 3) {
    const auto consume = words[1] == "finpipe"            ? consume_with_finpipe
                         : words[1] == "finpipe-no-store" ? consume_with_finpipe_and_keep_nothing
                         : words[1] == "librdkafka"       ? consume_with_librdkafka
                                                          : consume_with_librdkafka_batches;
    consume(options_of(words[2]));
  } else if (what == "settings" && words.size() == 3) {
    const auto partitions = static_cast<std::int32_t>(number_of(words[2]));
    const KafkaOptions options = options_of("");
    for (const auto& [name, value] :
         words[1] == "writer" ? kafka::writer_settings(options) : rival_reader_settings(options, partitions)) {
      fmt::print("{} {}\n", name, value);
    }
  } else {
    usage();
  }
}

}  // namespace
}  // namespace finpipe::kafka_bench

int main(int count, char** arguments) {
  finpipe::kafka_bench::run({arguments + 1, arguments + count});
  return 0;
}
