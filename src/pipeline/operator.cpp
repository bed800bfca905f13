#include "pipeline/operator.h"

#include <algorithm>
#include <array>
#include <string>

#include "codec/records.h"

namespace finpipe {

Result<void> append_void(LogWriter& log, const Checkpoint& checkpoint, const VoidRow& row) {
  const std::int64_t session =
      std::max(checkpoint.admission.writers()[static_cast<std::size_t>(Writer::kOperator)].session + 1, row.at_ns);
  avro::FeedStatus control{.stamp = row.at_ns, .writer = avro::Writer::kOperator, .session = session, .body = {}};
  std::array<std::string, 2> values;
  control.body = avro::SessionStarted{.id = session,
                                      .origin = checkpoint.origin,
                                      .source_id = "",
                                      .start = row.at_ns,
                                      .silent_since = std::nullopt,
                                      .log_id = checkpoint.log_id};
  encode_control(control, values[0]);
  if (row.action == VoidRow::Action::kVoid) {
    control.body = avro::VoidTrade{row.symbol, row.event_time_ms, row.seq, row.reason};
  } else {
    control.body = avro::UnvoidTrade{row.symbol, row.event_time_ms, row.seq, row.reason};
  }
  encode_control(control, values[1]);
  const std::array<LogRecord, 2> records = {
      {{RecordType::kControl, std::nullopt, values[0]}, {RecordType::kControl, std::nullopt, values[1]}}};
  while (log.append(checkpoint.partition, records) == LogWriter::Append::kFull) FINPIPE_TRY(log.poll());
  while (log.pending_bytes() > 0) FINPIPE_TRY(log.poll());
  return {};
}

}  // namespace finpipe
