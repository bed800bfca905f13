#include "logs/kafka/membership.h"

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <span>
#include <utility>

#include "base/time.h"
#include "logs/kafka/owned.h"

namespace finpipe::kafka {
namespace {

using Queue = Owned<rd_kafka_queue_t, rd_kafka_queue_destroy>;
using PartitionList = Owned<rd_kafka_topic_partition_list_t, rd_kafka_topic_partition_list_destroy>;

constexpr std::int64_t kFreshAnswerNs = kNsPerSecond / 5;
constexpr int kAnswerMs = 100;
constexpr int kCloseStepMs = 10;
constexpr std::int64_t kCloseNs = 2 * kNsPerSecond;  // without a coordinator
constexpr std::int64_t kSlowCloseNs = 10 * kNsPerSecond;
constexpr std::int64_t kCoordinatorPatienceNs = 10 * kNsPerSecond;
constexpr std::int64_t kMembersPatienceNs = 5 * kNsPerSecond;  // beyond the session of one that died
constexpr std::int64_t kShortestPatienceNs = kNsPerSecond;
// Before it librdkafka ended the program when a member was destroyed that had joined and was never assigned anything.
constexpr int kDestroysAnyMember = 0x02030000;

}  // namespace

Result<std::unique_ptr<Membership>> Membership::join(Cluster& cluster, const std::string& topic,
                                                     std::int32_t partitions, const std::string& group,
                                                     const std::string& instance_id, std::function<void()> wake) {
  auto made = std::unique_ptr<Membership>(new Membership(topic, partitions, group, std::move(wake)));
  FINPIPE_TRY_ASSIGN(client, Client::make(Client::Kind::kConsumer, cluster,
                                          member_settings(cluster.options(), group, instance_id), made.get()));
  made->client_ = std::move(client);
  made->take_news();
  const PartitionList topics(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(topics.get(), topic.c_str(), RD_KAFKA_PARTITION_UA);
  if (const auto code = rd_kafka_subscribe(made->client_->get(), topics.get()); code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return fail(error_of({code, error_text(code)}, made->what()));
  }
  made->polled_ns_ = cluster.now_ns();
  made->thread_ = std::jthread([self = made.get()](const std::stop_token& stop) { self->run(stop); });
  return made;
}

Membership::~Membership() {
  if (!client_) return;
  thread_ = {};
  if (!close() || (!was_assigned_ && rd_kafka_version() < kDestroysAnyMember)) Client::leave(std::move(client_));
}

// A commit whose coordinator is away would hold it up for good. Whether it is comes with what is said meanwhile.
bool Membership::close() {
  rd_kafka_t* client = client_->get();
  const std::int64_t begun_ns = client_->cluster().now_ns();
  const Queue said(rd_kafka_queue_new(client));
  const Owned<rd_kafka_error_t, rd_kafka_error_destroy> error{rd_kafka_consumer_close_queue(client, said.get())};
  if (error) return true;  // it has failed for good, and nothing is left to say
  while (rd_kafka_consumer_closed(client) == 0) {
    if (client_->cluster().now_ns() - begun_ns >= (has_coordinator_ ? kSlowCloseNs : kCloseNs)) return false;
    const Owned<rd_kafka_message_t, rd_kafka_message_destroy> late{rd_kafka_consume_queue(said.get(), kCloseStepMs)};
  }
  return true;
}

Result<std::vector<LogReader::Assignment>> Membership::poll() {
  const std::lock_guard lock(mutex_);
  polled_ns_ = client_->cluster().now_ns();
  if (error_) return fail(*error_);
  return std::exchange(changes_, {});
}

void Membership::commit_hint(std::int32_t partition, std::int64_t offset) {
  const std::lock_guard lock(mutex_);
  hints_[partition] = offset;
}

void Membership::run(const std::stop_token& stop) {
  const KafkaOptions& options = client_->cluster().options();
  const std::int64_t patience_ns =
      std::max((options.max_poll_interval_ms - hung_ms(options)) * kNsPerMs, kShortestPatienceNs);
  std::mutex resting;
  std::condition_variable_any rest;
  bool was_hung = false;
  while (!stop.stop_requested()) {
    const bool hung = [&] {
      const std::lock_guard lock(mutex_);
      return client_->cluster().now_ns() - polled_ns_ > patience_ns;
    }();
    if (std::exchange(was_hung, hung) != hung) hung ? drop_news() : take_news();
    if (hung) {
      std::unique_lock lock(resting);
      rest.wait_for(lock, stop, std::chrono::milliseconds(kAnswerMs), [] { return false; });
    } else {
      answer();
    }
  }
}

// Errors and statistics come with what the group says.
void Membership::take_news() {
  settled_ns_ = client_->cluster().now_ns();
  rd_kafka_poll_set_consumer(client_->get());
}

// To a queue that takes nothing, since it is destroyed: any poll would tell the group that the owner is well.
void Membership::drop_news() {
  const Queue news(rd_kafka_queue_get_main(client_->get()));
  const Queue none(rd_kafka_queue_new(client_->get()));
  rd_kafka_queue_forward(news.get(), none.get());
  client_->cluster().note_group(client_.get(), "");
}

void Membership::answer() {
  const Owned<rd_kafka_message_t, rd_kafka_message_destroy> message{rd_kafka_consumer_poll(client_->get(), kAnswerMs)};
  answered_ns_ = client_->cluster().now_ns();
  std::array<char, 512> text{};
  if (const auto code = rd_kafka_fatal_error(client_->get(), text.data(), text.size());
      code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return tell(error_of({code, text.data()}, what()));
  }
  // Records of paused partitions do not come; that it polled too late is followed by a rebalance.
  if (!message || message->err == RD_KAFKA_RESP_ERR_NO_ERROR || message->err == RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED)
    return;
  Failure failure{message->err, rd_kafka_message_errstr(message.get())};
  const Error error = error_of(failure, what());
  if (error.code == ErrorCode::kLogPermission || error.code == ErrorCode::kGroupPermission ||
      error.code == ErrorCode::kGroupRefused) {
    tell(error);
  } else {
    client_->cluster().note(std::move(failure));
  }
}

void Membership::tell(Error error) {
  {
    const std::lock_guard lock(mutex_);
    if (error_) return;
    error_ = std::move(error);
  }
  if (wake_) wake_();
}

// Each second. librdkafka gives up all partitions when a commit comes to the broker in the middle of a rebalance, so
// none is sent then, nor when these numbers may be old.
void Membership::on_statistics(const ClientStatistics& statistics) {
  has_coordinator_ = statistics.has_coordinator;
  note_trouble(statistics);
  const bool steady = statistics.steady && statistics.has_coordinator;
  if (steady && client_->cluster().now_ns() - answered_ns_ < kFreshAnswerNs) send_hints();
}

// What it owns is read also while others join.
void Membership::note_trouble(const ClientStatistics& statistics) {
  const std::int64_t now_ns = client_->cluster().now_ns();
  if (statistics.has_coordinator && (statistics.steady || owned_ > 0)) settled_ns_ = now_ns;
  const std::int64_t since_ns = now_ns - settled_ns_;
  const std::int64_t session_ns = client_->cluster().options().session_timeout_ms * kNsPerMs;
  std::string why;
  if (!statistics.has_coordinator && since_ns >= kCoordinatorPatienceNs) {
    why = fmt::format("group {} has no coordinator", group_);
  } else if (statistics.has_coordinator && since_ns >= session_ns + kMembersPatienceNs) {
    why = fmt::format("group {} waits for its members", group_);
  }
  client_->cluster().note_group(client_.get(), std::move(why));
}

void Membership::send_hints() {
  std::map<std::int32_t, std::int64_t> hints;
  {
    const std::lock_guard lock(mutex_);
    std::swap(hints, hints_);
  }
  if (hints.empty()) return;
  const PartitionList offsets(rd_kafka_topic_partition_list_new(static_cast<int>(hints.size())));
  for (const auto& [partition, offset] : hints) {
    rd_kafka_topic_partition_list_add(offsets.get(), topic_.c_str(), partition)->offset = offset;
  }
  static_cast<void>(rd_kafka_commit(client_->get(), offsets.get(), 1));
}

void Membership::on_rebalance(int code, rd_kafka_topic_partition_list_s* partitions) {
  rd_kafka_t* client = client_->get();
  const std::span<rd_kafka_topic_partition_t> changed(partitions->elems, static_cast<std::size_t>(partitions->cnt));
  const bool assigned = code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
  was_assigned_ = was_assigned_ || assigned;
  if (assigned) client_->cluster().note_rebalance();
  rd_kafka_error_t* error = nullptr;
  if (assigned) {
    // Paused at the end: nothing is ever fetched here, and no committed offset is asked for.
    for (rd_kafka_topic_partition_t& one : changed) one.offset = RD_KAFKA_OFFSET_END;
    owned_ += changed.size();
    error = rd_kafka_incremental_assign(client, partitions);
    static_cast<void>(rd_kafka_pause_partitions(client, partitions));
  } else {
    owned_ -= changed.size();
    error = rd_kafka_incremental_unassign(client, partitions);
  }
  if (error != nullptr) {
    tell(error_of({rd_kafka_error_code(error), rd_kafka_error_string(error)}, what()));
    rd_kafka_error_destroy(error);
  }
  for (const rd_kafka_topic_partition_t& one : changed) {
    if (one.partition < partitions_) continue;
    tell({ErrorCode::kPartitionCountChanged,
          fmt::format("{}: it has more than {} partitions now", what(), partitions_)});
  }
  {
    const std::lock_guard lock(mutex_);
    for (const rd_kafka_topic_partition_t& one : changed) {
      if (!assigned) hints_.erase(one.partition);
      changes_.push_back({one.partition, assigned ? LogReader::Change::kAssigned : LogReader::Change::kRevoked});
    }
  }
  if (wake_) wake_();
}

}  // namespace finpipe::kafka
