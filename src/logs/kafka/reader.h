// Reads PREFIX.ticks: the LogReader of KafkaLog, and what finds the log's id.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "logs/kafka/ends_watch.h"
#include "logs/kafka/fetcher.h"
#include "logs/kafka/membership.h"
#include "logs/kafka/shared_state.h"
#include "logs/read_batches.h"
#include "logs/schema_translator.h"
#include "pipeline/ports.h"

namespace finpipe::kafka {

// The log id that a control record states, if it does.
[[nodiscard]] std::optional<LogId> stated_log_id(std::string_view control_value);

class Reader final : public LogReader {
 public:
  // `membership` null: all partitions are its own. Else `watch` is needed: a partition is told as assigned when its
  // leader has answered, so that no other has to wait for it.
  Reader(SharedState& shared, std::unique_ptr<Fetcher> fetcher, std::unique_ptr<Membership> membership,
         EndsWatch* watch);
  ~Reader() override;

  [[nodiscard]] const LogId& log_id() const override { return shared_.log_id; }
  [[nodiscard]] std::int32_t partitions() const override { return shared_.partitions(); }
  [[nodiscard]] Result<OffsetRange> range(std::int32_t partition) override;
  [[nodiscard]] Result<void> seek(std::int32_t partition, std::int64_t offset) override;
  [[nodiscard]] Result<Read> poll(std::size_t max_bytes) override;
  void pause(std::int32_t partition) override;
  void resume(std::int32_t partition) override;
  void commit_hint(std::int32_t partition, std::int64_t offset) override;

 private:
  struct Cursor {
    bool assigned = false;
    bool paused = false;
    std::int64_t next = -1;  // offset; -1 until sought
    std::optional<OffsetRange> range;
    std::int64_t asked_ns = 0;                     // when the broker was asked for it
    std::deque<rd_kafka_message_s*> taken;         // fetched, and not handed out yet
    std::optional<std::int64_t> held_since_ns;     // the schema of the next record is not known yet
    std::optional<std::int64_t> missing_since_ns;  // the broker says that there is no such partition
  };

  struct HeldBack {
    std::int32_t partition;
    std::int64_t since_ns;
  };

  [[nodiscard]] Cursor& cursor(std::int32_t partition) { return cursors_.at(static_cast<std::size_t>(partition)); }
  [[nodiscard]] Result<void> ask_range(std::int32_t partition);
  [[nodiscard]] Result<void> refresh_range(std::int32_t partition);
  void update_range(std::int32_t partition);
  [[nodiscard]] bool behind();
  [[nodiscard]] bool held() const;
  [[nodiscard]] Result<void> rebalance();
  void admit();
  // Ends fetching, and drops what was fetched and not handed out.
  void drop(std::int32_t partition);
  [[nodiscard]] Result<void> start(std::int32_t partition);
  // Adds what is there, of all partitions.
  [[nodiscard]] Result<void> read();
  // Adds the partition's records; false when the byte bound ended it.
  [[nodiscard]] Result<bool> read_partition(std::int32_t partition);
  [[nodiscard]] bool take(std::int32_t partition);
  // Gives the record its type, and the value that it has above the log; false: its schema is not known yet.
  [[nodiscard]] bool translate(const rd_kafka_message_s& message, LogRecord& record);
  [[nodiscard]] Result<void> check(std::int32_t partition, const rd_kafka_message_s& message);
  [[nodiscard]] Result<void> check_lost(std::int32_t partition);
  [[nodiscard]] Result<void> check_missing(std::int32_t partition);
  [[nodiscard]] Result<void> check_log_id(std::int32_t partition, std::string_view value);
  void release();

  SharedState& shared_;
  std::unique_ptr<Fetcher> fetcher_;
  std::unique_ptr<Membership> membership_;
  EndsWatch* const watch_;
  SchemaTranslator translator_;
  std::vector<Cursor> cursors_;
  std::vector<Assignment> changes_;  // to be told by the next poll
  std::vector<HeldBack> held_back_;  // assigned, and not told yet
  bool waiting_ = false;             // for records that are known to be there

  std::vector<Assignment> assignments_;
  ReadBatches batches_;
  std::vector<rd_kafka_message_s*> handed_out_;  // what the records borrow from, and earlier ones
  std::size_t handed_out_bytes_ = 0;
  std::deque<std::string> resolved_;  // what the records borrow from besides
  std::string scratch_;
};

}  // namespace finpipe::kafka
