#include "logs/kafka/writer.h"

#include <utility>

#include "base/time.h"
#include "logs/kafka/foreign_values.h"
#include "logs/kafka/log_identity.h"
#include "logs/record_size.h"

namespace finpipe::kafka {
namespace {

constexpr int kAcknowledgementWaitMs = 2;  // for an acknowledgement, of a caller that does nothing else

}  // namespace

Writer::Writer(SharedState& shared, Of of)
    : shared_(shared),
      of_(of),
      translator_(make_translator(shared.cluster)),
      waiting_(static_cast<std::size_t>(shared.partitions())) {}

Writer::~Writer() {
  for (const bool& waiting : waiting_) shared_.cluster.set_waiting(&waiting, false);
}

LogWriter::Append Writer::append(std::int32_t partition, std::span<const LogRecord> records) {
  std::size_t bytes = 0;
  for (const LogRecord& record : records) bytes += record_bytes(record);
  const std::size_t pending = pending_bytes();
  if (pending > 0 && pending + bytes > shared_.cluster.options().max_pending_bytes) return Append::kFull;
  if (!producer_ && !error_) {
    const KafkaOptions& options = shared_.cluster.options();
    const bool log = of_ == Of::kLog;
    auto made = Producer::make(shared_.cluster, log ? ticks_topic(options) : bars_topic(options), shared_.partitions(),
                               log ? writer_settings(options) : bars_settings(options), numbers_);
    if (made) {
      producer_ = *std::move(made);
    } else {
      error_ = made.error();
    }
  }
  if (error_) return Append::kAccepted;  // the next poll says so
  appended_ = true;
  for (const LogRecord& record : records) {
    const bool is_trade = record.type == RecordType::kTrade;
    // A header would double what a trade costs here and with each reader, and a key says as much.
    producer_->produce(partition, {.key = record.key,
                                   .value = translator_.to_wire(record.value, scratch_),
                                   .header = is_trade && record.key ? "" : "type",
                                   .header_value = is_trade ? "trade" : "control",
                                   .bytes = record_bytes(record)});
  }
  return Append::kAccepted;
}

Result<std::span<const LogWriter::Acknowledged>> Writer::poll() {
  acknowledged_.clear();
  if (error_) return fail(*error_);
  // Ids that have changed since the start are in what is not sent yet as well.
  if (const auto same = shared_.cluster.options().schemas.poll(); !same) {
    if (producer_) producer_->give_up(same.error());
    error_ = same.error();
    return fail(*error_);
  }
  if (!producer_) return acknowledged_;
  const bool idle = !std::exchange(appended_, false);
  FINPIPE_TRY(producer_->poll(idle && producer_->pending_bytes() > 0 ? kAcknowledgementWaitMs : 0));
  for (const std::int32_t partition : producer_->take_acknowledged()) {
    const std::int64_t end = producer_->end(partition);
    if (of_ == Of::kLog) shared_.ends[static_cast<std::size_t>(partition)] = end;
    acknowledged_.push_back({partition, end});
  }
  if (of_ == Of::kLog) FINPIPE_TRY(check_others());
  if (const auto refused = shared_.cluster.check_refused(producer_->client().topic_name()); !refused) {
    producer_->give_up(refused.error());
    return fail(refused.error());
  }
  FINPIPE_TRY(check_patience());
  return acknowledged_;
}

// Others may write: an operator for example, or an ingest that was replaced. But the topic may also have been made
// anew.
Result<void> Writer::check_others() {
  const auto partitions = producer_->take_shared();
  if (partitions.empty()) return {};
  shared_.others_wrote = true;
  const std::int64_t now_ns = shared_.cluster.now_ns();
  if (now_ns - checked_ns_ < kNsPerSecond) return {};
  checked_ns_ = now_ns;
  const auto same = check_still_the_log(shared_, partitions.front());
  if (!same) producer_->give_up(same.error());
  return same;
}

Result<void> Writer::check_patience() {
  const auto set = [this](bool& waiting, bool now) {
    if (std::exchange(waiting, now) != now) shared_.cluster.set_waiting(&waiting, now);
  };
  for (const Acknowledged& done : acknowledged_) set(waiting_[static_cast<std::size_t>(done.partition)], false);
  for (std::int32_t p = 0; p < partitions(); ++p) {
    bool& waiting = waiting_[static_cast<std::size_t>(p)];
    set(waiting, producer_->pending(p) > 0);
    if (!waiting) continue;
    const auto patient = shared_.cluster.check_patience(&waiting, producer_->client().topic_name());
    if (patient) continue;
    producer_->give_up(patient.error());
    return patient;
  }
  return {};
}

}  // namespace finpipe::kafka
