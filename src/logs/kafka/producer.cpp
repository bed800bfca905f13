#include "logs/kafka/producer.h"

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/time.h"
#include "logs/kafka/owned.h"

namespace finpipe::kafka {
namespace {

// A record's tag: what it counts for, and when it came.
constexpr unsigned kSizeBits = 24;
constexpr std::uint64_t kSizeMask = (std::uint64_t{1} << kSizeBits) - 1;
constexpr std::uint64_t kTimeMask = (std::uint64_t{1} << (64 - kSizeBits)) - 1;
static_assert(kMaxRecordBytes * 2 < static_cast<std::int64_t>(kSizeMask));

constexpr int kRefusalMs = 10;

// A null pointer would be no key and no value.
const void* bytes(std::string_view text) { return text.empty() ? "" : text.data(); }

rd_kafka_vu_t of_type(rd_kafka_vtype_t type) {
  rd_kafka_vu_t value{};
  value.vtype = type;
  return value;
}

}  // namespace

Result<std::unique_ptr<Producer>> Producer::make(Cluster& cluster, const std::string& topic, std::int32_t partitions,
                                                 const Settings& settings, Numbers& numbers, OnTooLarge on_too_large) {
  auto made = std::unique_ptr<Producer>(new Producer(partitions, numbers, std::move(on_too_large)));
  FINPIPE_TRY_ASSIGN(client, Client::make(Client::Kind::kProducer, cluster, settings, made.get()));
  made->client_ = std::move(client);
  made->client_->set_topic(topic);
  return made;
}

// What is not acknowledged by now may be written or not.
Producer::~Producer() {
  if (client_) rd_kafka_purge(client_->get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
}

void Producer::produce(std::int32_t partition, const Record& record) {
  if (error_) return;
  const std::size_t counted = std::min<std::size_t>(record.bytes, kSizeMask);
  const auto now_us = static_cast<std::uint64_t>(client_->cluster().now_ns() / 1'000);
  const std::uint64_t tag = (now_us & kTimeMask) << kSizeBits | counted;

  auto topic = of_type(RD_KAFKA_VTYPE_RKT);
  topic.u.rkt = client_->topic();
  auto to = of_type(RD_KAFKA_VTYPE_PARTITION);
  to.u.i32 = partition;
  auto value = of_type(RD_KAFKA_VTYPE_VALUE);
  value.u.mem = {const_cast<void*>(bytes(record.value)), record.value.size()};
  auto header = of_type(RD_KAFKA_VTYPE_HEADER);
  header.u.header = {record.header.data(), record.header_value.data(),
                     static_cast<std::ptrdiff_t>(record.header_value.size())};
  auto flags = of_type(RD_KAFKA_VTYPE_MSGFLAGS);
  flags.u.i = RD_KAFKA_MSG_F_COPY;
  auto opaque = of_type(RD_KAFKA_VTYPE_OPAQUE);
  opaque.u.ptr = reinterpret_cast<void*>(tag);  // NOLINT(performance-no-int-to-ptr): handed back as it is
  auto key = of_type(RD_KAFKA_VTYPE_KEY);
  if (record.key) key.u.mem = {const_cast<void*>(bytes(*record.key)), record.key->size()};
  std::array<rd_kafka_vu_t, 7> arguments{topic, to, value, flags, opaque, key};
  std::size_t count = 6;
  if (!record.header.empty()) arguments[count++] = header;

  const Owned<rd_kafka_error_t, rd_kafka_error_destroy> error{
      rd_kafka_produceva(client_->get(), arguments.data(), count)};
  if (error) {
    // A fatal one is the consequence of another, which poll finds.
    if (rd_kafka_error_is_fatal(error.get()) == 0)
      give_up(error_at({rd_kafka_error_code(error.get()), rd_kafka_error_string(error.get())}, partition));
    return;
  }
  pending_bytes_ += counted;
  ++partitions_.at(static_cast<std::size_t>(partition)).pending;
  numbers_.pending_bytes = static_cast<std::int64_t>(pending_bytes_);
}

void Producer::on_delivery(const Client::Delivery& delivery) {
  pending_bytes_ -= delivery.tag & kSizeMask;
  Partition& at = partitions_.at(static_cast<std::size_t>(delivery.partition));
  --at.pending;
  // Those that are dropped because of another one say nothing.
  const bool is_dropped =
      delivery.code == RD_KAFKA_RESP_ERR__PURGE_QUEUE || delivery.code == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT ||
      delivery.code == RD_KAFKA_RESP_ERR__GAPLESS_GUARANTEE || delivery.code == RD_KAFKA_RESP_ERR__FATAL;
  if (error_ || is_dropped) return;
  if (delivery.code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE && on_too_large_ && on_too_large_(delivery)) return;
  if (delivery.code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return give_up(error_at({delivery.code, error_text(delivery.code)}, delivery.partition));
  }
  ++numbers_.records;
  if (now_us_ == 0) now_us_ = client_->cluster().now_ns() / 1'000;
  const std::uint64_t took_us = (static_cast<std::uint64_t>(now_us_) - (delivery.tag >> kSizeBits)) & kTimeMask;
  numbers_.latency.add(static_cast<std::int64_t>(took_us));
  if (delivery.offset < 0 || delivery.offset == at.next_of_unknown) {
    at.next_of_unknown = delivery.offset + 1;
    any_unknown_ = at.is_unknown = at.is_shared = true;
    return;
  }
  // An end that was asked for may be beyond what is in flight.
  if (delivery.offset <= at.newest) {
    return give_up(
        {ErrorCode::kLogIdsDiffer, fmt::format("{}: partition {} got offset {} after {}", client_->topic_name(),
                                               delivery.partition, delivery.offset, at.newest)});
  }
  const bool is_first = at.newest < 0 && !at.next_of_unknown;
  if (!is_first && delivery.offset > at.newest + 1) at.is_shared = true;
  at.next_of_unknown.reset();
  at.newest = delivery.offset;
  at.end = std::max(at.end, delivery.offset + 1);
  at.is_new = true;
}

Result<void> Producer::poll(int wait_ms) {
  now_us_ = 0;
  client_->poll(wait_ms);
  numbers_.pending_bytes = static_cast<std::int64_t>(pending_bytes_);
  if (now_us_ != 0) numbers_.latency.roll(now_us_ * 1'000);
  std::array<char, 512> text{};
  const auto fatal = rd_kafka_fatal_error(client_->get(), text.data(), text.size());
  if (fatal != RD_KAFKA_RESP_ERR_NO_ERROR && !error_) {
    // The record whose refusal it was says more, and comes a little later.
    for (int i = 0; i < 10 && !error_ && pending_bytes_ > 0; ++i) client_->poll(kRefusalMs);
    if (!error_) give_up(error_about({fatal, text.data()}, client_->topic_name()));
  }
  if (any_unknown_ && !error_) FINPIPE_TRY(ask_unknown_ends());
  if (error_) return fail(*error_);
  return {};
}

Result<void> Producer::ask_unknown_ends() {
  for (std::size_t p = 0; p < partitions_.size(); ++p) {
    Partition& at = partitions_[p];
    if (!at.is_unknown) continue;
    FINPIPE_TRY_ASSIGN(range, client_->ask_range(static_cast<std::int32_t>(p)));
    at.end = std::max(at.end, range.end);
    at.is_unknown = false;
    at.is_new = true;
  }
  any_unknown_ = false;
  return {};
}

std::vector<std::int32_t> Producer::take_acknowledged() {
  std::vector<std::int32_t> taken;
  for (std::size_t p = 0; p < partitions_.size(); ++p) {
    if (std::exchange(partitions_[p].is_new, false)) taken.push_back(static_cast<std::int32_t>(p));
  }
  return taken;
}

std::vector<std::int32_t> Producer::take_shared() {
  std::vector<std::int32_t> taken;
  for (std::size_t p = 0; p < partitions_.size(); ++p) {
    if (std::exchange(partitions_[p].is_shared, false)) taken.push_back(static_cast<std::int32_t>(p));
  }
  return taken;
}

Error Producer::error_at(const Failure& failure, std::int32_t partition) const {
  return error_about(failure, fmt::format("{}: partition {}", client_->topic_name(), partition));
}

// A user who may write nothing at all is refused already as an idempotent producer.
Error Producer::error_about(const Failure& failure, const std::string& what) {
  Error error = error_of(failure, what);
  if (error.code == ErrorCode::kLogPermission) error.code = ErrorCode::kLogWritePermission;
  return error;
}

void Producer::give_up(Error error) {
  error_ = std::move(error);
  rd_kafka_purge(client_->get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
}

}  // namespace finpipe::kafka
