// A record that could not be read when it was processed, and can be later: a registry or this finpipe knows more.
#include <optional>

#include "hand_made_log.h"

namespace finpipe {
namespace {

class Unreadable : public HandMadeLog {
 protected:
  // The same log, with what its refused record was all along, and one trade more.
  void read_refused_as(const Trade& made, const Trade& next) {
    std::string value;
    std::string last;
    encode_trade(made, value);
    encode_trade(next, last);
    const auto reader = run_.reader();
    ASSERT_TRUE(reader->poll(0));
    ASSERT_TRUE(reader->seek(0, 0));
    const auto read = reader->poll(1 << 20);
    ASSERT_TRUE(read);
    for (const LogReader::Batch& batch : read->batches) {
      for (LogRecord record : batch.records) {
        if (record.value == kForeign) record.value = value;
        ASSERT_EQ(writer_->append(0, {&record, 1}), LogWriter::Append::kAccepted);
      }
    }
    const LogRecord record{RecordType::kTrade, kSymbol, last};
    ASSERT_EQ(writer_->append(0, {&record, 1}), LogWriter::Append::kAccepted);
    ASSERT_TRUE(writer_->poll());
  }

  static constexpr std::string_view kForeign{"\0\0\0\0\x63zz", 7};
  MemoryLog later_{1, run_.log.log_id()};
  std::unique_ptr<LogWriter> writer_ = later_.writer(1 << 20);
};

TEST_F(Unreadable, ARecordThatIsReadableLaterStaysRefused) {
  put(trade(100, 10));
  run_.append(0, {RecordType::kTrade, kSymbol, kForeign});
  run_.process();
  const Trade refused = trade(200, 11);
  read_refused_as(refused, trade(300, 12));
  process_all(*later_.reader({0}), run_.store, *later_.dead_letters());
  const VerifyReport report = verified(run_.store, *later_.reader({0}), *run_.log.dead_letter_query());
  EXPECT_EQ(report.differences, 0) << text_of(report);
  ASSERT_EQ(report.symbols.size(), 1U);
  EXPECT_EQ(report.symbols[0].stored, 2);
}

}  // namespace
}  // namespace finpipe
