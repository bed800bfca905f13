#include "logs/kafka/reader.h"

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>
#include <utility>
#include <variant>

#include "base/time.h"
#include "codec/confluent.h"
#include "codec/records.h"
#include "logs/kafka/foreign_values.h"
#include "logs/kafka/log_identity.h"
#include "logs/record_size.h"

namespace finpipe::kafka {
namespace {

constexpr std::size_t kTakenAtOnce = 256;  // messages
// What was handed out is freed when there is nothing to do, if it is not more: while librdkafka makes messages, it and
// who frees others wait for each other.
constexpr std::size_t kHeldBytes = std::size_t{24} << 20;
constexpr std::size_t kMessageBytes = 400;            // of librdkafka for each, about
constexpr std::int64_t kMaxMarkers = 100;             // in a row; a larger hole is one
constexpr std::int64_t kFreshRangeNs = kNsPerSecond;  // a range that is younger need not be asked for
constexpr int kRefreshMs = 500;
constexpr std::int64_t kMissingPatienceNs = 30 * kNsPerSecond;  // a broker that starts may not know its topics yet

std::string_view text(const void* data, std::size_t size) {
  return data == nullptr ? std::string_view() : std::string_view(static_cast<const char*>(data), size);
}

// Of a record with this value. librdkafka takes as long to look for headers as for all the rest of a record, so that
// is done where there is a doubt.
RecordType type_of(const rd_kafka_message_t& message, std::string_view value) {
  static const std::string trade_header = [] {
    std::string header;
    frame_header(avro::StockTick::kSchemaId, header);
    return header;
  }();
  if (message.key != nullptr && value.starts_with(trade_header)) return RecordType::kTrade;
  rd_kafka_headers_t* headers = nullptr;
  const void* type = nullptr;
  std::size_t size = 0;
  if (rd_kafka_message_headers(&message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR &&
      rd_kafka_header_get_last(headers, "type", &type, &size) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    if (text(type, size) == "trade") return RecordType::kTrade;
    if (text(type, size) == "control") return RecordType::kControl;
  }
  return message.key == nullptr ? RecordType::kControl : RecordType::kTrade;
}

// librdkafka keeps the records to itself that end somebody's transactions, which may be several in a row. Each stands
// for a control record that says nothing, so that offsets stay consecutive.
bool is_marker_before(const rd_kafka_message_t& message, std::int64_t next) {
  return (message.err == RD_KAFKA_RESP_ERR_NO_ERROR || message.err == RD_KAFKA_RESP_ERR__PARTITION_EOF) &&
         message.offset > next && message.offset - next <= kMaxMarkers;
}

// Without its type, which is known when its value is.
LogRecord record_of(const rd_kafka_message_t& message) {
  LogRecord record;
  record.value = text(message.payload, message.len);
  if (message.key != nullptr) record.key = text(message.key, message.key_len);
  return record;
}

}  // namespace

std::optional<LogId> stated_log_id(std::string_view control_value) {
  const auto control = decode_control(control_value);
  return control ? finpipe::stated_log_id(*control) : std::nullopt;
}

Reader::Reader(SharedState& shared, std::unique_ptr<Fetcher> fetcher, std::unique_ptr<Membership> membership,
               EndsWatch* watch)
    : shared_(shared),
      fetcher_(std::move(fetcher)),
      membership_(std::move(membership)),
      watch_(watch),
      translator_(make_translator(shared.cluster)),
      cursors_(static_cast<std::size_t>(shared.partitions())) {
  if (membership_) return;
  for (std::int32_t p = 0; p < shared.partitions(); ++p) {
    cursor(p).assigned = true;
    changes_.push_back({p, Change::kAssigned});
  }
}

Reader::~Reader() {
  release();
  for (std::int32_t p = 0; p < partitions(); ++p) drop(p);
  shared_.cluster.forget(this);
}

// ---- Ranges and places ---------------------------------------------------------------------------------------------

Result<void> Reader::ask_range(std::int32_t partition) {
  FINPIPE_TRY_ASSIGN(range, fetcher_->client().ask_range(partition));
  cursor(partition).range = range;
  cursor(partition).asked_ns = shared_.cluster.now_ns();
  return {};
}

// What is known without asking: the ends that answers to fetches brought, and what this process has written.
void Reader::update_range(std::int32_t partition) {
  auto& range = cursor(partition).range;
  if (!range) return;
  if (fetcher_->started(partition)) {
    const OffsetRange known = fetcher_->known_range(partition);
    range->begin = std::max(range->begin, known.begin);
    range->end = std::max(range->end, known.end);
  }
  range->end = std::max(range->end, shared_.ends[static_cast<std::size_t>(partition)].load());
}

Result<OffsetRange> Reader::range(std::int32_t partition) {
  if (!cursor(partition).range) FINPIPE_TRY(ask_range(partition));
  update_range(partition);
  return *cursor(partition).range;
}

// A member does not wait for it: what has gone since is told by fetching.
Result<void> Reader::refresh_range(std::int32_t partition) {
  if (!membership_) return ask_range(partition);
  OffsetRange range;
  if (fetcher_->client().try_range(partition, kRefreshMs, range) == 0) cursor(partition).range = range;
  cursor(partition).asked_ns = shared_.cluster.now_ns();
  return {};
}

Result<void> Reader::seek(std::int32_t partition, std::int64_t offset) {
  Cursor& at = cursor(partition);
  const bool broken = !at.taken.empty() && at.taken.front()->err != RD_KAFKA_RESP_ERR_NO_ERROR;
  if (offset == at.next && fetcher_->started(partition) && !broken) return {};
  update_range(partition);
  const auto inside = [&] { return at.range && offset >= at.range->begin && offset <= at.range->end; };
  if (inside() && shared_.cluster.now_ns() - at.asked_ns > kFreshRangeNs) FINPIPE_TRY(refresh_range(partition));
  if (!inside()) FINPIPE_TRY(ask_range(partition));
  update_range(partition);
  if (!inside()) {
    return fail(ErrorCode::kOffsetOutOfRange,
                fmt::format("{}: partition {} has offsets {} to {}, not {}", fetcher_->client().topic_name(), partition,
                            at.range->begin, at.range->end, offset));
  }
  drop(partition);
  at.next = offset;
  if (waiting_) shared_.cluster.set_waiting(this, waiting_ = false);
  return at.paused ? Result<void>() : start(partition);
}

Result<void> Reader::start(std::int32_t partition) { return fetcher_->start(partition, cursor(partition).next); }

void Reader::drop(std::int32_t partition) {
  fetcher_->stop(partition);
  Cursor& at = cursor(partition);
  for (rd_kafka_message_s* message : at.taken) rd_kafka_message_destroy(message);
  at.taken.clear();
  at.held_since_ns.reset();
  at.missing_since_ns.reset();
}

// What is there stays, and is not fetched again; what would come is not asked for.
void Reader::pause(std::int32_t partition) {
  Cursor& at = cursor(partition);
  at.paused = true;
  if (at.taken.empty() && !fetcher_->has(partition)) fetcher_->stop(partition);
}

void Reader::resume(std::int32_t partition) { cursor(partition).paused = false; }

void Reader::commit_hint(std::int32_t partition, std::int64_t offset) {
  if (membership_ && cursor(partition).assigned) membership_->commit_hint(partition, offset);
}

// ---- Reading -------------------------------------------------------------------------------------------------------

Result<void> Reader::rebalance() {
  FINPIPE_TRY_ASSIGN(changes, membership_->poll());
  for (const Assignment& change : changes) {
    drop(change.partition);
    cursor(change.partition) = {};
    const bool told =
        std::erase_if(held_back_, [&](const HeldBack& one) { return one.partition == change.partition; }) == 0;
    if (change.change == Change::kAssigned) {
      held_back_.push_back({change.partition, shared_.cluster.now_ns()});
      watch_->hurry(change.partition);
    } else if (told) {
      changes_.push_back(change);
    }
  }
  if (!changes.empty() || !held_back_.empty()) admit();
  return {};
}

// An answer that waiting does not mend is told to who begins there.
void Reader::admit() {
  const std::int64_t now_ns = shared_.cluster.now_ns();
  std::string why;
  std::erase_if(held_back_, [&](const HeldBack& one) {
    const auto [asked_ns, code] = watch_->answer(one.partition);
    if (asked_ns >= one.since_ns && !is_passing(code)) {
      cursor(one.partition).assigned = true;
      changes_.push_back({one.partition, Change::kAssigned});
      return true;
    }
    if (why.empty() && now_ns - one.since_ns >= Cluster::kPatienceNs) {
      why = fmt::format("{} partition {}: {}", fetcher_->client().topic_name(), one.partition,
                        asked_ns < one.since_ns ? "no answer yet" : error_text(code));
    }
    return false;
  });
  shared_.cluster.note_group(this, std::move(why));
}

Result<LogReader::Read> Reader::poll(std::size_t max_bytes) {
  if (handed_out_bytes_ >= kHeldBytes) release();
  resolved_.clear();
  batches_.begin(max_bytes);
  assignments_.clear();
  fetcher_->client().poll(0);
  FINPIPE_TRY(shared_.cluster.check_refused(fetcher_->client().topic_name()));
  FINPIPE_TRY(shared_.cluster.options().schemas.poll());
  if (membership_) FINPIPE_TRY(rebalance());
  FINPIPE_TRY(read());
  if (batches_.empty()) release();
  if (batches_.empty() && changes_.empty() && (held() || behind())) {
    fetcher_->wait();
    FINPIPE_TRY(read());
    if (batches_.empty() && behind()) {
      shared_.cluster.set_waiting(this, waiting_ = true);
      FINPIPE_TRY(shared_.cluster.check_patience(this, fetcher_->client().topic_name()));
    }
  }
  if (waiting_ && (!batches_.empty() || !behind())) shared_.cluster.set_waiting(this, waiting_ = false);
  shared_.records_read += static_cast<std::int64_t>(batches_.record_count());
  std::swap(assignments_, changes_);
  return Read{assignments_, batches_.all()};
}

Result<void> Reader::read() {
  return batches_.gather(
      partitions(), [this](std::int32_t partition) { return cursor(partition).next; },
      [this](std::int32_t partition) { return read_partition(partition); });
}

Result<bool> Reader::read_partition(std::int32_t partition) {
  Cursor& at = cursor(partition);
  if (!at.assigned || at.paused || at.next < 0) return true;
  if (at.missing_since_ns) FINPIPE_TRY(check_missing(partition));
  if (!fetcher_->started(partition)) FINPIPE_TRY(start(partition));
  while (true) {
    if (at.taken.empty() && !take(partition)) return true;
    const rd_kafka_message_t& message = *at.taken.front();
    if (is_marker_before(message, at.next)) {
      batches_.add({RecordType::kControl, std::nullopt, {}}, kRecordOverheadBytes);
      ++at.next;
      continue;
    }
    if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR || message.offset != at.next) {
      FINPIPE_TRY(check(partition, message));
      rd_kafka_message_destroy(at.taken.front());
      at.taken.pop_front();
      continue;
    }
    LogRecord record = record_of(message);
    const std::size_t bytes = record_bytes(record);
    if (!batches_.has_room(bytes)) return false;
    if (!translate(message, record)) {
      if (!at.held_since_ns) at.held_since_ns = shared_.cluster.now_ns();
      FINPIPE_TRY(check_schema_patience(shared_.cluster, *at.held_since_ns, fetcher_->client().topic_name()));
      return true;
    }
    at.held_since_ns.reset();
    if (record.type == RecordType::kControl) {
      const auto same = check_log_id(partition, record.value);
      if (!same) {
        drop(partition);  // what is translated cannot be so again
        return fail(same.error());
      }
    }
    batches_.add(record, bytes);
    handed_out_.push_back(at.taken.front());
    handed_out_bytes_ += bytes + kMessageBytes;
    at.taken.pop_front();
    ++at.next;
    at.missing_since_ns.reset();
  }
}

bool Reader::take(std::int32_t partition) {
  if (!fetcher_->has(partition)) return false;
  std::array<rd_kafka_message_s*, kTakenAtOnce> messages{};
  const std::size_t count = fetcher_->take(partition, messages);
  auto& taken = cursor(partition).taken;
  taken.insert(taken.end(), messages.begin(), messages.begin() + static_cast<std::ptrdiff_t>(count));
  return count > 0;
}

bool Reader::translate(const rd_kafka_message_s& message, LogRecord& record) {
  const auto ours = translator_.from_wire(value_of(message), scratch_);
  if (!ours) return false;
  record.value = ours->value;
  record.wire_id = ours->wire_id;
  record.original = ours->original;
  if (!ours->original.empty()) record.value = resolved_.emplace_back(std::exchange(scratch_, {}));
  record.type = type_of(message, record.value);
  return true;
}

// Of a message that is not the next record: whether it can be passed over.
Result<void> Reader::check(std::int32_t partition, const rd_kafka_message_s& message) {
  Cursor& at = cursor(partition);
  const std::string where =
      fmt::format("{}: partition {}, offset {}", fetcher_->client().topic_name(), partition, at.next);
  if (message.err == RD_KAFKA_RESP_ERR_NO_ERROR || message.err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    // Of a batch that holds the one that was sought, or the end that is reached.
    if (message.offset < at.next + (message.err == RD_KAFKA_RESP_ERR_NO_ERROR ? 0 : 1)) return {};
    return fail(ErrorCode::kLogIncomplete, fmt::format("{} is followed by {}", where, message.offset));
  }
  Failure failure{message.err, rd_kafka_message_errstr(&message)};
  Error error = error_of(failure, where);
  const bool missing = error.code == ErrorCode::kTopicMissing;
  if (missing && !at.missing_since_ns) at.missing_since_ns = shared_.cluster.now_ns();
  if (error.code == ErrorCode::kOffsetOutOfRange) FINPIPE_TRY(check_lost(partition));
  if (!missing && !is_passing(failure.code)) return fail(std::move(error));
  shared_.cluster.note(std::move(failure));
  return {};
}

// Of a partition whose next record is not there: retention takes from its begin, and all else is worse.
Result<void> Reader::check_lost(std::int32_t partition) {
  Cursor& at = cursor(partition);
  at.range.reset();
  FINPIPE_TRY(check_still_the_log(shared_, partition));
  FINPIPE_TRY_ASSIGN(now, range(partition));
  if (at.next <= now.end) return {};
  return fail(ErrorCode::kCheckpointMismatch,
              fmt::format("{}: partition {} ends at {}, and was read up to {}", fetcher_->client().topic_name(),
                          partition, now.end, at.next));
}

Result<void> Reader::check_missing(std::int32_t partition) {
  Cursor& at = cursor(partition);
  if (shared_.cluster.now_ns() - *at.missing_since_ns < kMissingPatienceNs) return {};
  FINPIPE_TRY(fetcher_->client().partitions());
  drop(partition);  // it is there: from the place where it was, once more
  return {};
}

Result<void> Reader::check_log_id(std::int32_t partition, std::string_view value) {
  const auto stated = stated_log_id(value);
  if (!stated || *stated == shared_.log_id) return {};
  // Somebody may have written it who has not seen yet that the topic was made anew: that is for the processor to judge.
  return check_still_the_log(shared_, partition);
}

// Whether records that are known to be there are waited for.
bool Reader::behind() {
  for (std::int32_t p = 0; p < partitions(); ++p) {
    const Cursor& at = cursor(p);
    if (!at.assigned || at.paused || at.next < 0 || at.held_since_ns) continue;
    update_range(p);
    if (at.range && at.next < at.range->end) return true;
  }
  return false;
}

// Whether a schema is waited for.
bool Reader::held() const {
  return std::ranges::any_of(cursors_, [](const Cursor& at) { return !at.paused && at.held_since_ns; });
}

void Reader::release() {
  for (rd_kafka_message_s* message : handed_out_) rd_kafka_message_destroy(message);
  handed_out_.clear();
  handed_out_bytes_ = 0;
}

}  // namespace finpipe::kafka
