// What all clients of one log share: the options, how the cluster is, and the wish to stop. Used by any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/time.h"
#include "logs/kafka/client_statistics.h"
#include "logs/kafka/errors.h"
#include "logs/kafka/kafka_log.h"

namespace finpipe::kafka {

class Client;

class Cluster {
 public:
  static constexpr std::int64_t kPatienceNs = 2 * kNsPerSecond;  // a shorter silence is no trouble
  enum class Step : std::uint8_t { kNothing, kProgress, kDone };

  Cluster(KafkaOptions options, std::function<bool()> stop);

  [[nodiscard]] const KafkaOptions& options() const { return options_; }
  [[nodiscard]] std::int64_t now_ns() { return clock_.boot_ns(); }

  void interrupt() { interrupted_ = true; }
  [[nodiscard]] bool interrupted() const { return interrupted_ || (stop_ && stop_()); }

  // Attempts until one succeeds (0), or fails in a way that waiting does not mend. An attempt gets its time limit and
  // returns an rd_kafka_resp_err_t. `what` was tried, for the error.
  // Errors: kInterrupted, kBrokerUnreachable (patience_ms), and what error_of makes of a failure.
  [[nodiscard]] Result<void> retry(Client& client, std::string_view what,
                                   const std::function<int(int timeout_ms)>& attempt);
  // The same for what is not asked again but waited for, step by step, each of which may take that long.
  [[nodiscard]] Result<void> await(const void* who, std::string_view what,
                                   const std::function<Result<Step>(int timeout_ms)>& step);

  // What clients tell.
  void note(Failure failure);
  void note_certificate(int x509);
  // A login failed; the failure itself is told after it.
  void note_login(bool user_unknown);
  // A broker showed a certificate, so far from its own in the chain.
  void note_shown(std::string_view broker, int depth, std::optional<std::int64_t> not_after_s);
  void note(const void* client, const ClientStatistics& statistics);
  // Why a member of a group has nothing to do that it should have; empty: no more.
  void note_group(const void* client, std::string why);
  void forget(const void* client);
  // Clients without an owner, which anybody may poll; poll_attended does for those who are busy. Once it is unattended
  // nobody does.
  void attend(Client& client);
  void unattend(Client& client);
  void poll_attended();
  // A group has shared the partitions, with a member of ours.
  void note_rebalance() { ++rebalances_; }
  // Somebody waits for an answer (and has not had one since it said so first), or does not.
  void set_waiting(const void* who, bool waiting);
  // Whether it may wait on. Errors: kBrokerUnreachable (patience_ms since it said so first), and kInterrupted, but for
  // what a healthy cluster answers at once.
  [[nodiscard]] Result<void> check_patience(const void* who, std::string_view what);
  // Whether every broker has refused us for some time, which waiting does not mend. Errors: what error_of makes of it.
  [[nodiscard]] Result<void> check_refused(std::string_view what);

  [[nodiscard]] ClientStatistics statistics();
  [[nodiscard]] std::int64_t rebalances() const { return rebalances_; }
  // When the first of the certificates ends that brokers showed last (net::counts_still), in seconds since 1970; 0:
  // none did.
  [[nodiscard]] std::int64_t certificate_not_after_s(std::int64_t now_s);
  [[nodiscard]] std::optional<std::string> trouble();

 private:
  static constexpr std::int64_t kNeverEnds = std::numeric_limits<std::int64_t>::max();
  // When the first certificate ends of the last chain, and of one that was shown in part since: a refusal ends it.
  struct ShownChain {
    std::int64_t whole_s = kNeverEnds, begun_s = kNeverEnds;
    std::int64_t shown_s = 0;
  };
  struct Noted {
    Failure failure;
    std::int64_t at_ns = 0;
  };

  [[nodiscard]] Result<void> check_patience(const void* who, std::string_view what, std::int64_t now_ns);
  [[nodiscard]] ClientStatistics sum(std::int64_t now_ns) const;

  const KafkaOptions options_;
  const std::function<bool()> stop_;
  SystemClock clock_;
  std::atomic<bool> interrupted_ = false;
  std::atomic<std::int64_t> rebalances_ = 0;

  std::mutex attended_mutex_;  // before the other
  std::set<Client*> attended_;

  mutable std::mutex mutex_;
  std::optional<Noted> failure_;                  // the newest
  std::optional<Noted> refusal_;                  // likewise
  std::optional<std::int64_t> refused_since_ns_;  // nothing else has come of a connection meanwhile
  int certificate_ = 0;
  bool user_unknown_ = false;
  std::map<std::string, ShownChain> shown_;  // by broker
  struct Told {
    ClientStatistics statistics;
    std::int64_t at_ns = 0;
  };
  std::map<const void*, Told> told_;                   // by client
  std::map<const void*, std::string> group_troubles_;  // likewise
  std::int64_t retries_of_the_gone_ = 0;
  std::map<const void*, std::int64_t> waiting_since_ns_;
  std::optional<std::int64_t> all_down_since_ns_;
};

}  // namespace finpipe::kafka
