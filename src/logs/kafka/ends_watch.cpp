#include "logs/kafka/ends_watch.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <chrono>

#include "logs/kafka/settings.h"

namespace finpipe::kafka {
namespace {

constexpr std::chrono::seconds kPause{1};
constexpr int kAskMs = 500;           // a broker that is away holds up one partition so long, and then the next
constexpr int kLongestAskMs = 2'000;  // of one that did not answer in time before
constexpr int kHurriedMs = 100;       // of one that others may wait behind

}  // namespace

Result<std::unique_ptr<EndsWatch>> EndsWatch::start(SharedState& shared) {
  auto made = std::unique_ptr<EndsWatch>(new EndsWatch(shared));
  const KafkaOptions& options = shared.cluster.options();
  FINPIPE_TRY_ASSIGN(client, Client::make(Client::Kind::kConsumer, shared.cluster,
                                          reader_settings(options, 1, Statistics::kEachSecond)));
  made->client_ = std::move(client);
  made->client_->set_topic(ticks_topic(options));
  made->limits_ms_.assign(static_cast<std::size_t>(shared.partitions()), kAskMs);
  made->thread_ = std::jthread([self = made.get()](const std::stop_token& stop) { self->run(stop); });
  return made;
}

void EndsWatch::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    for (std::int32_t p = 0; p < shared_.partitions() && !stop.stop_requested(); ++p) {
      while (const auto hurried = stop.stop_requested() ? std::nullopt : take_hurried()) ask(*hurried, kHurriedMs);
      int& limit_ms = limits_ms_[static_cast<std::size_t>(p)];
      if (!stop.stop_requested()) limit_ms = ask(p, limit_ms) ? kAskMs : std::min(2 * limit_ms, kLongestAskMs);
    }
    std::unique_lock lock(mutex_);
    hurry_.wait_for(lock, stop, kPause, [this] { return !hurried_.empty(); });
  }
}

bool EndsWatch::ask(std::int32_t partition, int limit_ms) {
  const auto p = static_cast<std::size_t>(partition);
  Answer answer{.asked_ns = shared_.cluster.now_ns()};
  std::int64_t end = 0;
  answer.code = client_->try_end(partition, limit_ms, end);
  if (answer.code == 0) shared_.asked_ends[p] = end;
  {
    const std::lock_guard lock(mutex_);
    answers_[p] = answer;
  }
  client_->poll(0);
  shared_.cluster.poll_attended();
  return answer.code != RD_KAFKA_RESP_ERR__TIMED_OUT;
}

std::optional<std::int32_t> EndsWatch::take_hurried() {
  const std::lock_guard lock(mutex_);
  if (hurried_.empty()) return std::nullopt;
  const std::int32_t partition = hurried_.front();
  hurried_.pop_front();
  return partition;
}

EndsWatch::Answer EndsWatch::answer(std::int32_t partition) {
  const std::lock_guard lock(mutex_);
  return answers_.at(static_cast<std::size_t>(partition));
}

void EndsWatch::hurry(std::int32_t partition) {
  {
    const std::lock_guard lock(mutex_);
    if (std::ranges::find(hurried_, partition) == hurried_.end()) hurried_.push_back(partition);
  }
  hurry_.notify_one();
}

}  // namespace finpipe::kafka
