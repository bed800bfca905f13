#include "logs/kafka/ends_watch.h"

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "logs/kafka/settings.h"

namespace finpipe::kafka {
namespace {

constexpr std::chrono::seconds kPause{1};
constexpr int kAskMs = 500;  // a broker that is away holds up one partition so long, and then the next

}  // namespace

Result<std::unique_ptr<EndsWatch>> EndsWatch::start(SharedState& shared) {
  auto made = std::unique_ptr<EndsWatch>(new EndsWatch(shared));
  const KafkaOptions& options = shared.cluster.options();
  FINPIPE_TRY_ASSIGN(client, Client::make(Client::Kind::kConsumer, shared.cluster,
                                          reader_settings(options, 1, Statistics::kEachSecond)));
  made->client_ = std::move(client);
  made->client_->set_topic(ticks_topic(options));
  made->thread_ = std::jthread([self = made.get()](const std::stop_token& stop) { self->run(stop); });
  return made;
}

void EndsWatch::run(const std::stop_token& stop) {
  std::mutex resting;
  std::condition_variable_any rest;
  while (!stop.stop_requested()) {
    for (std::int32_t p = 0; p < shared_.partitions() && !stop.stop_requested(); ++p) {
      if (const auto end = client_->ask_end(p, kAskMs)) shared_.asked_ends[static_cast<std::size_t>(p)] = *end;
      client_->poll(0);
      shared_.cluster.poll_attended();
    }
    std::unique_lock lock(resting);
    rest.wait_for(lock, stop, kPause, [] { return false; });
  }
}

}  // namespace finpipe::kafka
