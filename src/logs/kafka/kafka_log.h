// Apache Kafka as the log: the topic PREFIX.ticks, and PREFIX.dead-letters for what cannot be processed.
//
// What is acknowledged is on every replica that is in sync, and readable. Records of one partition keep the order in
// which they were appended, none is missing and none is there twice, also when a broker is away meanwhile: that is no
// error, writers and readers wait for it, and `trouble` says why. What cannot mend itself (no permission, a topic that
// is gone or was made anew, a record that Kafka refuses) is a permanent error of poll.
//
// A record with a key and the schema of trades is a trade. What others are says their header `type`; without one, a
// record with a key is a trade and one without is a control record.
// Kafka shows clients no identity of a topic, so the log carries its own: the log id is in every session and heartbeat
// record, and `create_kafka_topics` begins each partition with such a record.
//
// One writing thread; each reader and each DeadLetters is used by one thread at a time; ends, trouble, statistics and
// interrupt by any. Readers, writer and dead letters borrow the log and must not outlive it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "logs/wire_schemas.h"
#include "pipeline/ports.h"

namespace finpipe {

struct KafkaOptions {
  enum class Profile : std::uint8_t {
    kLatency,     // a record is sent within a millisecond
    kThroughput,  // larger batches, better compressed
  };
  enum class Protocol : std::uint8_t { kPlaintext, kTls, kSaslPlaintext, kSaslTls };

  std::string brokers;             // "host:port,host:port"
  std::string prefix = "finnhub";  // of the topics' names
  Profile profile = Profile::kLatency;

  Protocol protocol = Protocol::kPlaintext;
  std::string mechanism = "SCRAM-SHA-512";  // with SASL; also SCRAM-SHA-256 and PLAIN
  std::string user;
  std::string password;                    // secret
  std::string ca_file;                     // PEM; empty: the system's
  std::string certificate_file, key_file;  // PEM, of our own; empty: none
  std::string key_password;                // of key_file; secret

  // Of the values in the topics: who has a registry gives its own, which must outlive the log.
  WireSchemas schemas{};  // empty: fixed_wire_schemas()

  std::size_t max_pending_bytes = std::size_t{8} << 20;  // appended and not acknowledged
  std::int64_t patience_ms = 0;  // what waits for an answer gives up after so long without one; 0: never

  // Of group readers. One that does not poll for max_poll_interval_ms (at least session_timeout_ms) loses its
  // partitions, as one that is dead does after session_timeout_ms. For half of that time, or less if a session is
  // longer than the other half, it answers the group though it does not poll: who joins need not wait for it.
  std::int64_t session_timeout_ms = 45'000;
  std::int64_t max_poll_interval_ms = 300'000;
};

struct KafkaStatistics {
  std::int64_t brokers = 0;
  std::int64_t brokers_up = 0;       // that have a connection of ours
  std::int64_t records_written = 0;  // acknowledged, of log, bars and dead letters
  std::int64_t records_read = 0;
  std::int64_t pending_bytes = 0;                                     // appended and not acknowledged
  std::int64_t prefetched_bytes = 0;                                  // received by readers and not asked for yet
  std::int64_t retries = 0;                                           // requests that were sent again
  std::int64_t rebalances = 0;                                        // that a group reader was given partitions by
  std::int64_t append_latency_us_p50 = 0, append_latency_us_p99 = 0;  // from append to acknowledgement; the slowest
  std::int64_t certificate_not_after_s = 0;  // since 1970, of what brokers showed: when the first ends; 0: none known
};

class KafkaLog {
 public:
  // Finds the topics and the log id. Errors: kBrokerUnreachable (patience_ms), kInterrupted, kBadSetting, kLogLogin,
  // kLogUserUnknown, kLogLoginMethod, kLogPermission, kTlsUnknownCa, kTlsSelfSigned, kTlsWrongHost, kTlsExpired,
  // kTlsFailed, kLogProtocol, kBadCertificate, kTopicMissing, kLogIdMissing, kLogIdsDiffer, kPartitionCountChanged,
  // kLogRefused; kUnknownSchemaId when the log was written with another registry, or with one or without one other than
  // now; and as all that reads or writes those of WireSchemas::poll, and kRegistryUnreachable when a schema is not
  // known for patience_ms.
  // `stop`: asked from time to time while it waits; true ends it with kInterrupted.
  [[nodiscard]] static Result<std::unique_ptr<KafkaLog>> open(const KafkaOptions& options,
                                                              std::function<bool()> stop = {});
  ~KafkaLog();

  [[nodiscard]] const LogId& log_id() const;
  [[nodiscard]] std::int32_t partitions() const;

  // The one writer. Its poll collects what has been acknowledged; called again without an append in between, it waits
  // some ms for an acknowledgement, so that a loop until nothing is pending is idle. Errors, all permanent:
  // kLogWritePermission, kTopicMissing, kLogIdsDiffer (the topic was made anew), kLogRefused; and when nothing was
  // acknowledged for patience_ms kBrokerUnreachable, or after interrupt kInterrupted: what is pending then may be
  // written or not.
  [[nodiscard]] LogWriter& writer();
  // Likewise of PREFIX.bars: records of kTrade, with the symbol as key. Errors: kPartitionCountChanged when its
  // partitions are not as many, kTopicMissing, kLogWritePermission, kBrokerUnreachable (patience_ms), kInterrupted.
  [[nodiscard]] Result<LogWriter*> bars();

  // A reader of all partitions. Its poll waits up to a millisecond when records that are known to be there have not
  // arrived. `wake` is called by any thread, and must be quick, when a poll may find something new after one that
  // found nothing; a reader that has it must be polled as long as it lives.
  // A record whose schema is not known yet, because its registry is away, holds up its own partition alone.
  // A record that states another log's id is handed out if the partition begins as this log: somebody wrote it there.
  // Errors of poll: kOffsetOutOfRange (also of a topic that lost its tail), kLogIncomplete at a hole, kLogIdsDiffer,
  // kLogPermission, kTopicMissing, kLogRefused; kBrokerUnreachable when records that are known to be there did not
  // come for patience_ms, and kInterrupted. So do seek and the first call of range, which wait.
  [[nodiscard]] std::unique_ptr<LogReader> reader(std::function<void()> wake = {});
  // A reader of the partitions that it gets as one of a group; of one whose leader does not answer when it does. A seek
  // to what was there a while ago does not wait for it either. A member with an instance id that comes back within
  // session_timeout_ms gets its partitions back without a word to the others.
  // Errors of poll: as above, and kGroupRefused (another member has the instance id, or other rules for sharing),
  // kGroupPermission, kPartitionCountChanged.
  [[nodiscard]] std::unique_ptr<LogReader> group_reader(const std::string& group, const std::string& instance_id,
                                                        std::function<void()> wake = {});

  // Whether no process is a member of the group. Errors: kGroupInUse, kGroupPermission, kBrokerUnreachable
  // (patience_ms), kInterrupted.
  [[nodiscard]] Result<void> check_idle(const std::string& group);

  // Holds at most a few MiB: put waits when more is not acknowledged. A letter that the topic does not take whole is
  // cut, and says so in `detail`. Errors of flush: those of the writer's poll,
  // kBrokerUnreachable (patience_ms), kInterrupted.
  [[nodiscard]] std::unique_ptr<DeadLetters> dead_letters();
  // Reads the topic twice at each call; of an id the newest letter. What is no letter is left out, and counted in a
  // warning. Holds ids in memory, and letters that lie before their turn. `sent_since_ms`: only what was sent from then
  // on, in ms since 1970, is read; 0: all.
  [[nodiscard]] std::unique_ptr<DeadLetterQuery> dead_letter_query(std::int64_t sent_since_ms = 0);

  // One past the last readable record of each partition, by what the brokers said last and what this process wrote; -1:
  // not known. From the first reader with `wake` on, brokers are asked each second, also while nothing is read.
  [[nodiscard]] std::vector<std::int64_t> ends() const;
  [[nodiscard]] KafkaStatistics statistics() const;
  // Why nothing is written or read at the moment; nullopt: all is well.
  [[nodiscard]] std::optional<std::string> trouble() const;
  // What waits for a broker gives up, now and later, with kInterrupted.
  void interrupt();

 private:
  struct Parts;
  explicit KafkaLog(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

}  // namespace finpipe
