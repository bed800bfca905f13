// A whole tape through a log on a server: its first record disturbs nobody, and verify finds no difference.
#include <gtest/gtest.h>

#include "kafka_server.h"
#include "log_subject.h"
#include "pipeline_run.h"

namespace finpipe::kafka_test {
namespace {

TEST(KafkaPipeline, ATapeIsIngestedProcessedAndVerifiedAndResumedWithoutAChange) {
  const KafkaOptions options = new_log(2);
  MemoryStore store;
  for (int round = 0; round < 2; ++round) {
    const auto log = open_log(options);
    const auto letters = log->dead_letters();
    ingest_tape(data_file("binance.tape"), *log->reader(), log->writer(), *letters);
    process_all(*log->reader(), store, *letters);
    const auto report = verified(store, *log->reader(), *log->dead_letter_query());
    EXPECT_EQ(report.differences, 0) << text_of(report);
    std::int64_t stored = 0;
    for (const VerifiedSymbol& symbol : report.symbols) stored += symbol.stored;
    EXPECT_EQ(stored, 34'419);
  }
}

}  // namespace
}  // namespace finpipe::kafka_test
