// The LogWriters of KafkaLog: of the log itself, and of the bars that are made of it.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "logs/kafka/producer.h"
#include "logs/kafka/shared_state.h"
#include "logs/schema_translator.h"
#include "pipeline/ports.h"

namespace finpipe::kafka {

class Writer final : public LogWriter {
 public:
  enum class Of : std::uint8_t { kLog, kBars };

  Writer(SharedState& shared, Of of);
  ~Writer() override;

  [[nodiscard]] std::int32_t partitions() const override { return shared_.partitions(); }
  [[nodiscard]] Append append(std::int32_t partition, std::span<const LogRecord> records) override;
  [[nodiscard]] Result<std::span<const Acknowledged>> poll() override;
  [[nodiscard]] std::size_t pending_bytes() const override { return producer_ ? producer_->pending_bytes() : 0; }
  [[nodiscard]] bool others_wrote() override { return shared_.others_wrote.exchange(false); }
  [[nodiscard]] const Producer::Numbers& numbers() const { return numbers_; }

 private:
  [[nodiscard]] Result<void> check_patience();
  [[nodiscard]] Result<void> check_others();

  SharedState& shared_;
  const Of of_;
  SchemaTranslator translator_;
  std::string scratch_;
  Producer::Numbers numbers_;
  std::unique_ptr<Producer> producer_;  // from the first append on: most processes never write
  std::optional<Error> error_;          // it could not be made, or is to write no more
  std::vector<Acknowledged> acknowledged_;
  bool appended_ = false;  // since the last poll
  // By partition, whether it waits for an acknowledgement: others may go on beside one whose broker is away. The
  // address is its name to the cluster.
  std::deque<bool> waiting_;
  std::int64_t checked_ns_ = 0;  // that the topic still is the log
};

}  // namespace finpipe::kafka
