#include "logs/kafka/cluster.h"

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <ranges>
#include <utility>

#include "logs/kafka/client.h"
#include "net/certificate_end.h"

namespace finpipe::kafka {
namespace {

constexpr int kAttemptMs = 500;           // of a question; an interrupt waits for two at most
constexpr int kLongestAttemptMs = 2'000;  // of one that was asked before, and not answered in time
constexpr std::int64_t kFreshFailureNs = 10 * kNsPerSecond;
constexpr std::int64_t kOtherBrokersNs = 2 * kNsPerSecond;
constexpr std::int64_t kRefusedNs = 10 * kNsPerSecond;
constexpr std::int64_t kTellsNs = 5 * kNsPerSecond;  // a client that nobody polls tells nothing new

// Without the numbers that change with each attempt.
std::string steady(std::string reason) {
  if (const auto after = reason.find(" (after "); after != std::string::npos) reason.resize(after);
  return reason;
}

}  // namespace

Cluster::Cluster(KafkaOptions options, std::function<bool()> stop)
    : options_([&options] {
        if (options.schemas.ours.empty()) options.schemas = fixed_wire_schemas();
        return std::move(options);
      }()),
      stop_(std::move(stop)) {}

Result<void> Cluster::retry(Client& client, std::string_view what, const std::function<int(int)>& attempt) {
  int failed = 0;
  return await(&client, what, [&, timeout_ms = kAttemptMs](int) mutable -> Result<Step> {
    const std::int64_t begun_ns = now_ns();
    failed = attempt(timeout_ms);
    if (failed == 0) return Step::kDone;
    if (failed == RD_KAFKA_RESP_ERR__TIMED_OUT) timeout_ms = std::min(2 * timeout_ms, kLongestAttemptMs);
    if (!is_passing(failed)) return fail(error_of({failed, error_text(failed)}, what, options_.mechanism));
    // One that fails at once is not tried again at once.
    const std::int64_t left_ms = std::min<std::int64_t>(timeout_ms, 100) - (now_ns() - begun_ns) / kNsPerMs;
    client.poll(static_cast<int>(std::max<std::int64_t>(left_ms, 0)));
    return Step::kNothing;
  });
}

Result<void> Cluster::await(const void* who, std::string_view what, const std::function<Result<Step>(int)>& step) {
  const std::int64_t begun_ns = now_ns();
  struct Waiting {
    Cluster& cluster;
    const void* who;
    ~Waiting() { cluster.set_waiting(who, false); }
  } waiting{*this, who};
  while (true) {
    FINPIPE_TRY_ASSIGN(came, step(kAttemptMs));
    if (came == Step::kDone) return {};
    if (came == Step::kProgress) set_waiting(who, false);
    set_waiting(who, true);
    const std::int64_t now = now_ns();
    {
      const std::lock_guard lock(mutex_);
      // Others that were named may take us, and are tried next.
      const std::int64_t others_ns =
          options_.patience_ms == 0 ? kOtherBrokersNs : std::min(kOtherBrokersNs, options_.patience_ms * kNsPerMs);
      const bool refused = refusal_ && refusal_->at_ns >= begun_ns && sum(now).brokers_up == 0;
      if (refused && now - begun_ns >= others_ns) return fail(error_of(refusal_->failure, what, options_.mechanism));
    }
    if (now - begun_ns >= kAttemptMs * kNsPerMs && interrupted())
      return fail(ErrorCode::kInterrupted, std::string(what));
    FINPIPE_TRY(check_patience(who, what, now));  // of the same moment: a refusal says more than that time is up
  }
}

Result<void> Cluster::check_patience(const void* who, std::string_view what) {
  return check_patience(who, what, now_ns());
}

Result<void> Cluster::check_patience(const void* who, std::string_view what, std::int64_t now_ns) {
  const bool stops = interrupted();
  const std::lock_guard lock(mutex_);
  const auto since = waiting_since_ns_.find(who);
  if (since == waiting_since_ns_.end()) return {};
  const std::int64_t waited_ms = (now_ns - since->second) / kNsPerMs;
  if (stops && waited_ms >= kAttemptMs) return fail(ErrorCode::kInterrupted, std::string(what));
  if (options_.patience_ms == 0 || waited_ms < options_.patience_ms) return {};
  if (!failure_) return fail(ErrorCode::kBrokerUnreachable, fmt::format("{}: no answer", what));
  const Error error = error_of(failure_->failure, what);
  if (error.code == ErrorCode::kLogProtocol) return fail(error);
  return fail(ErrorCode::kBrokerUnreachable, error.detail);
}

Result<void> Cluster::check_refused(std::string_view what) {
  const std::int64_t now = now_ns();
  const std::lock_guard lock(mutex_);
  const bool refused = refused_since_ns_ && now - *refused_since_ns_ >= kRefusedNs && all_down_since_ns_ &&
                       now - refusal_->at_ns < kFreshFailureNs;
  if (!refused) return {};
  return fail(error_of(refusal_->failure, what, options_.mechanism));
}

void Cluster::note(Failure failure) {
  const std::int64_t at_ns = now_ns();
  const std::lock_guard lock(mutex_);
  failure.reason = steady(std::move(failure.reason));
  // Several attempts may have failed before the first is told of.
  if (failure.reason.find("certificate verify failed") != std::string::npos) failure.certificate = certificate_;
  if (failure.reason.find("SASL authentication error") != std::string::npos) failure.user_unknown = user_unknown_;
  if (is_refusal(failure)) {
    refusal_ = {failure, at_ns};
    if (!refused_since_ns_) refused_since_ns_ = at_ns;
  } else if (failure.code == RD_KAFKA_RESP_ERR__TRANSPORT || failure.code == RD_KAFKA_RESP_ERR__RESOLVE) {
    refused_since_ns_.reset();  // it may be one that starts
  }
  failure_ = {std::move(failure), at_ns};
}

void Cluster::note_certificate(int x509) {
  const std::lock_guard lock(mutex_);
  certificate_ = x509;
}

void Cluster::note_login(bool user_unknown) {
  const std::lock_guard lock(mutex_);
  user_unknown_ = user_unknown;
}

// They come from the authority's on; the last is the broker's own.
void Cluster::note_shown(std::string_view broker, int depth, std::optional<std::int64_t> not_after_s) {
  const std::lock_guard lock(mutex_);
  ShownChain& chain = shown_[std::string(broker)];
  chain.shown_s = clock_.wall_ns() / kNsPerSecond;
  if (not_after_s) chain.begun_s = std::min(chain.begun_s, *not_after_s);
  if (depth == 0) chain.whole_s = std::exchange(chain.begun_s, kNeverEnds);
}

std::int64_t Cluster::certificate_not_after_s(std::int64_t now_s) {
  const std::lock_guard lock(mutex_);
  std::int64_t first_s = kNeverEnds;
  for (const ShownChain& chain : std::views::values(shown_)) {
    for (const std::int64_t end_s : {chain.whole_s, chain.begun_s}) {
      if (net::counts_still(end_s, chain.shown_s, now_s)) first_s = std::min(first_s, end_s);
    }
  }
  return first_s == kNeverEnds ? 0 : first_s;
}

void Cluster::note(const void* client, const ClientStatistics& statistics) {
  const std::int64_t at_ns = now_ns();
  const std::lock_guard lock(mutex_);
  told_[client] = {statistics, at_ns};
  const ClientStatistics all = sum(at_ns);
  if (all.brokers_up > 0) {
    all_down_since_ns_.reset();
    refused_since_ns_.reset();
  } else if (!all_down_since_ns_) {
    all_down_since_ns_ = at_ns;
  }
}

void Cluster::note_group(const void* client, std::string why) {
  const std::lock_guard lock(mutex_);
  if (why.empty()) {
    group_troubles_.erase(client);
  } else {
    group_troubles_[client] = std::move(why);
  }
}

void Cluster::forget(const void* client) {
  const std::lock_guard lock(mutex_);
  group_troubles_.erase(client);
  if (const auto known = told_.find(client); known != told_.end()) {
    retries_of_the_gone_ += known->second.statistics.retries;
    told_.erase(known);
  }
  waiting_since_ns_.erase(client);
}

void Cluster::attend(Client& client) {
  const std::lock_guard lock(attended_mutex_);
  attended_.insert(&client);
}

void Cluster::unattend(Client& client) {
  const std::lock_guard lock(attended_mutex_);
  attended_.erase(&client);
}

void Cluster::poll_attended() {
  const std::lock_guard lock(attended_mutex_);
  for (Client* client : attended_) client->poll(0);
}

void Cluster::set_waiting(const void* who, bool waiting) {
  const std::lock_guard lock(mutex_);
  if (waiting) {
    waiting_since_ns_.try_emplace(who, now_ns());
  } else {
    waiting_since_ns_.erase(who);
  }
}

ClientStatistics Cluster::sum(std::int64_t now_ns) const {
  ClientStatistics all;
  all.retries = retries_of_the_gone_;
  for (const auto& [client, told] : told_) {
    const ClientStatistics& one = told.statistics;
    if (now_ns - told.at_ns < kTellsNs) {
      all.brokers = std::max(all.brokers, one.brokers);
      all.brokers_up = std::max(all.brokers_up, one.brokers_up);
    }
    all.retries += one.retries;
    all.prefetched_bytes += one.prefetched_bytes;
  }
  return all;
}

ClientStatistics Cluster::statistics() {
  const std::int64_t now = now_ns();
  const std::lock_guard lock(mutex_);
  return sum(now);
}

std::optional<std::string> Cluster::trouble() {
  const std::int64_t now = now_ns();
  const std::lock_guard lock(mutex_);
  const bool all_down = all_down_since_ns_ && now - *all_down_since_ns_ >= kPatienceNs;
  const bool waiting =
      std::ranges::any_of(waiting_since_ns_, [&](const auto& one) { return now - one.second >= kPatienceNs; });
  if (!all_down && !waiting && group_troubles_.empty()) return std::nullopt;
  if (!all_down && !waiting) return "Kafka: " + group_troubles_.begin()->second;
  const ClientStatistics all = sum(now);
  const bool telling = failure_ && (all.brokers_up < all.brokers || now - failure_->at_ns < kFreshFailureNs);
  const std::string why = telling ? failure_->failure.reason : "no answer yet";
  if (all.brokers == 0) return "Kafka: " + why;
  return fmt::format("Kafka: {} of {} brokers answer: {}", all.brokers_up, all.brokers, why);
}

}  // namespace finpipe::kafka
