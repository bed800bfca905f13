// The LogWriter of KafkaLog.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "logs/kafka/producer.h"
#include "logs/kafka/shared_state.h"
#include "pipeline/ports.h"

namespace finpipe::kafka {

class Writer final : public LogWriter {
 public:
  // Errors: kBadSetting, kBadCertificate.
  [[nodiscard]] static Result<std::unique_ptr<Writer>> make(SharedState& shared);
  ~Writer() override;

  [[nodiscard]] std::int32_t partitions() const override { return shared_.partitions(); }
  [[nodiscard]] Append append(std::int32_t partition, std::span<const LogRecord> records) override;
  [[nodiscard]] Result<std::span<const Acknowledged>> poll() override;
  [[nodiscard]] std::size_t pending_bytes() const override { return producer_->pending_bytes(); }
  [[nodiscard]] const Producer::Numbers& numbers() const { return producer_->numbers(); }

 private:
  Writer(SharedState& shared, std::unique_ptr<Producer> producer) : shared_(shared), producer_(std::move(producer)) {}

  SharedState& shared_;
  std::unique_ptr<Producer> producer_;
  std::vector<Acknowledged> acknowledged_;
  bool appended_ = false;  // since the last poll
  bool waiting_ = false;
};

}  // namespace finpipe::kafka
