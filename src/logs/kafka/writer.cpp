#include "logs/kafka/writer.h"

#include <utility>

#include "logs/record_size.h"

namespace finpipe::kafka {
namespace {

constexpr int kWaitMs = 10;  // for an acknowledgement, of a caller that does nothing else

}  // namespace

Result<std::unique_ptr<Writer>> Writer::make(SharedState& shared) {
  FINPIPE_TRY_ASSIGN(producer,
                     Producer::make(shared.cluster, ticks_topic(shared.cluster.options()), shared.partitions()));
  return std::unique_ptr<Writer>(new Writer(shared, std::move(producer)));
}

Writer::~Writer() { shared_.cluster.set_waiting(this, false); }

LogWriter::Append Writer::append(std::int32_t partition, std::span<const LogRecord> records) {
  std::size_t bytes = 0;
  for (const LogRecord& record : records) bytes += record_bytes(record);
  const std::size_t pending = producer_->pending_bytes();
  if (pending > 0 && pending + bytes > shared_.cluster.options().max_pending_bytes) return Append::kFull;
  appended_ = true;
  for (const LogRecord& record : records) {
    const bool is_trade = record.type == RecordType::kTrade;
    // A header would double what a trade costs here and with each reader, and a key says as much.
    producer_->produce(partition, {.key = record.key,
                                   .value = record.value,
                                   .header = is_trade && record.key ? "" : "type",
                                   .header_value = is_trade ? "trade" : "control",
                                   .bytes = record_bytes(record)});
  }
  return Append::kAccepted;
}

Result<std::span<const LogWriter::Acknowledged>> Writer::poll() {
  acknowledged_.clear();
  const bool idle = !std::exchange(appended_, false);
  FINPIPE_TRY(producer_->poll(idle && producer_->pending_bytes() > 0 ? kWaitMs : 0));
  for (const std::int32_t partition : producer_->take_acknowledged()) {
    const std::int64_t end = producer_->end(partition);
    shared_.ends[static_cast<std::size_t>(partition)] = end;
    acknowledged_.push_back({partition, end});
  }
  const bool waiting = producer_->pending_bytes() > 0;
  if (waiting_ && !acknowledged_.empty()) shared_.cluster.set_waiting(this, waiting_ = false);
  if (waiting_ != waiting) shared_.cluster.set_waiting(this, waiting_ = waiting);
  return acknowledged_;
}

}  // namespace finpipe::kafka
