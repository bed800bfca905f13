#include "logs/kafka/fetcher.h"

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <chrono>
#include <utility>

namespace finpipe::kafka {

Result<std::unique_ptr<Fetcher>> Fetcher::make(Cluster& cluster, const std::string& topic, std::int32_t partitions,
                                               std::function<void()> wake) {
  const auto statistics = wake ? Statistics::kEachSecond : Statistics::kNone;
  auto made = std::unique_ptr<Fetcher>(new Fetcher(std::move(wake)));
  FINPIPE_TRY_ASSIGN(client, Client::make(Client::Kind::kConsumer, cluster,
                                          reader_settings(cluster.options(), partitions, statistics)));
  made->client_ = std::move(client);
  made->client_->set_topic(topic);
  if (statistics == Statistics::kEachSecond) cluster.attend(*made->client_);
  made->queues_.resize(static_cast<std::size_t>(partitions));
  for (Queue& one : made->queues_) {
    one.queue = rd_kafka_queue_new(made->client_->get());
    rd_kafka_queue_cb_event_enable(one.queue, &Fetcher::on_arrival, made.get());
  }
  return made;
}

Fetcher::~Fetcher() {
  if (client_) client_->cluster().unattend(*client_);
  for (std::int32_t p = 0; p < partitions(); ++p) stop(p);
  for (const Queue& one : queues_) {
    rd_kafka_queue_cb_event_enable(one.queue, nullptr, nullptr);
    rd_kafka_queue_destroy(one.queue);
  }
}

void Fetcher::on_arrival(rd_kafka_s* /*client*/, void* opaque) {
  auto* self = static_cast<Fetcher*>(opaque);
  {
    const std::lock_guard lock(self->mutex_);
    self->has_arrived_ = true;
  }
  self->arrived_.notify_all();
  if (self->wake_) self->wake_();
}

void Fetcher::wait() {
  std::unique_lock lock(mutex_);
  arrived_.wait_for(lock, std::chrono::milliseconds(1), [this] { return has_arrived_; });
  has_arrived_ = false;
}

Result<void> Fetcher::start(std::int32_t partition, std::int64_t offset) {
  stop(partition);
  Queue& one = queues_.at(static_cast<std::size_t>(partition));
  if (rd_kafka_consume_start_queue(client_->topic(), partition, offset, one.queue) != 0) {
    const int code = rd_kafka_last_error();
    return fail(error_of({code, error_text(code)}, fmt::format("{} partition {}", client_->topic_name(), partition)));
  }
  one.started = true;
  return {};
}

void Fetcher::stop(std::int32_t partition) {
  Queue& one = queues_.at(static_cast<std::size_t>(partition));
  if (!std::exchange(one.started, false)) return;
  rd_kafka_consume_stop(client_->topic(), partition);
}

bool Fetcher::has(std::int32_t partition) const { return rd_kafka_queue_length(queue(partition).queue) > 0; }

std::size_t Fetcher::take(std::int32_t partition, std::span<rd_kafka_message_s*> messages) {
  const auto taken = rd_kafka_consume_batch_queue(queue(partition).queue, 0, messages.data(), messages.size());
  return taken > 0 ? static_cast<std::size_t>(taken) : 0;
}

OffsetRange Fetcher::known_range(std::int32_t partition) const {
  OffsetRange range{-1, -1};
  const auto code = rd_kafka_get_watermark_offsets(client_->get(), client_->topic_name().c_str(), partition,
                                                   &range.begin, &range.end);
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return {-1, -1};
  return {std::max<std::int64_t>(range.begin, -1), std::max<std::int64_t>(range.end, -1)};
}

}  // namespace finpipe::kafka
