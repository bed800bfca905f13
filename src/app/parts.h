// Opens log, store and policies that the settings name. With feed_parts.h and the commands the only place that knows
// concrete adapters.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/settings.h"
#include "app/urls.h"
#include "base/clock.h"
#include "base/error.h"
#include "logs/kafka/kafka_access.h"
#include "logs/kafka/kafka_replicas.h"
#include "market/market_policy.h"
#include "market/splits.h"
#include "pipeline/ports.h"
#include "stores/cassandra/cassandra_store.h"

namespace finpipe {

// Writers own the directory and make it when it is missing; kChange owns what is there already. Readers stand beside a
// running `run` and see what was there when they opened it. Where nobody chose a directory, all but kWrite take the
// demo's when there is no other.
enum class Access : std::uint8_t { kWrite, kChange, kRead };

constexpr std::string_view kDemoLog = "embedded:./finpipe-data/demo/log";
constexpr std::string_view kDemoStore = "embedded:./finpipe-data/demo/store";

// With servers that may be away. kSome: everything gives up after half a minute, with kStoreUnreachable or
// kBrokerUnreachable; kBrief: after ten seconds. Otherwise what writes waits as long as it takes, and who reads a store
// some seconds; kEndless: from the start, kOnceOpen: they must be there then.
enum class Patience : std::uint8_t { kBrief, kSome, kOnceOpen, kEndless };

// A log, whichever it is. Readers and dead letters borrow it.
class LogPart {
 public:
  virtual ~LogPart() = default;
  [[nodiscard]] virtual const LogId& log_id() const = 0;
  [[nodiscard]] virtual std::int32_t partitions() const = 0;
  [[nodiscard]] virtual LogWriter& writer() = 0;
  // Of the bars that are made of it, for others to read; nullptr: there is no such place. Errors: those of the log.
  [[nodiscard]] virtual Result<LogWriter*> bars() { return nullptr; }
  // Of all partitions. `wake`: called by any thread when a poll may find something that the writer did not tell.
  [[nodiscard]] virtual std::unique_ptr<LogReader> reader(std::function<void()> wake = {}) = 0;
  // Of the partitions that it gets as one of a group; only of Kafka.
  [[nodiscard]] virtual std::unique_ptr<LogReader> group_reader(const std::string& group,
                                                                const std::string& instance_id,
                                                                std::function<void()> wake) = 0;
  // Whether no processor is at work as one of that group. Errors: kGroupInUse, those of the log.
  [[nodiscard]] virtual Result<void> check_idle(const std::string& /*group*/) { return {}; }
  [[nodiscard]] virtual std::unique_ptr<DeadLetters> dead_letters() = 0;
  // `received_since_ms`: older letters may be left out.
  [[nodiscard]] virtual std::unique_ptr<DeadLetterQuery> dead_letter_query(std::int64_t received_since_ms = 0) = 0;
  // Of servers, by any thread: why nothing is written or read at the moment; nullopt: all is well.
  [[nodiscard]] virtual std::optional<std::string> trouble() const { return std::nullopt; }
  [[nodiscard]] virtual std::optional<KafkaStatistics> statistics() const { return std::nullopt; }
  // One past the last readable record of each partition, by any thread; -1: not known.
  [[nodiscard]] virtual std::vector<std::int64_t> ends() const = 0;
  // By any thread: what is wrong with the schema registry; what is known of schemas is used on.
  [[nodiscard]] virtual std::optional<std::string> registry_trouble() const { return std::nullopt; }
  // When the first certificate ends that is in use with the registry, in seconds since 1970; 0: none is known.
  [[nodiscard]] virtual std::int64_t registry_not_after_s(std::int64_t /*now_s*/) const { return 0; }
  // What waits for a server gives up, now and later, with kInterrupted.
  virtual void interrupt() {}
};

// Hears what is waited for, and why.
using WaitsFor = std::function<void(std::string_view what, const std::string& reason)>;
constexpr std::string_view kTheRegistry = "the schema registry", kTheLog = "the log's servers";

// Access concerns directories, and schemas, which only who writes has registered; patience concerns servers; `stop`
// ends the waiting for one, with kInterrupted; `waits` hears of the registry and of the log. Errors: kBadUrl,
// kBadSetting (a password in the clear), kPartitionCountChanged, those of open_registry and of the log.
[[nodiscard]] Result<std::unique_ptr<LogPart>> open_log(const Settings& settings, Access access,
                                                        Patience patience = Patience::kSome,
                                                        const std::function<bool()>& stop = {},
                                                        const WaitsFor& waits = {});
// The consumer group of the processors of a log on Kafka.
[[nodiscard]] std::string group_of(const Settings& settings);
// Creates topics, and checks those that are there; returns what was done, a line each. `known`: the log's id, as a
// store's checkpoints say.
[[nodiscard]] Result<std::vector<std::string>> create_log(const Settings& settings, const KafkaUrl& url,
                                                          const std::optional<LogId>& known);
// How finpipe's topics are replicated, as the brokers say that answer. Errors: those of kafka_replicas.
[[nodiscard]] Result<KafkaReplicas> log_replicas(const Settings& settings, const KafkaUrl& url);
// What the settings' user may not do of it. Errors: those of kafka_refusals.
[[nodiscard]] Result<std::vector<Error>> log_refusals(const Settings& settings, const KafkaUrl& url,
                                                      const KafkaAccess& access);

// Has the registry's schemas registered, when told to and set so; what it answered, as a line. Empty: none is set.
[[nodiscard]] Result<std::string> check_registry(const Settings& settings, const KafkaUrl& url, bool create);

// A store, to be written and to be read.
class StorePart {
 public:
  template <typename T>
  explicit StorePart(std::unique_ptr<T> opened)
      : query_(opened.get()), statistics_(statistics_of(*opened)), store_(std::move(opened)) {}
  [[nodiscard]] Store& store() const { return *store_; }
  [[nodiscard]] Query& query() const { return *query_; }
  // Of a Cassandra store.
  [[nodiscard]] std::optional<CassandraStatistics> statistics() const {
    return statistics_ ? std::optional(statistics_()) : std::nullopt;
  }

 private:
  template <typename T>
  static std::function<CassandraStatistics()> statistics_of(T& store) {
    if constexpr (requires { store.statistics(); }) return [&store] { return store.statistics(); };
    return nullptr;
  }

  Query* query_;
  std::function<CassandraStatistics()> statistics_;
  std::unique_ptr<Store> store_;
};

// Access concerns directories only, patience servers. Errors: kBadUrl, kNotBuilt, those of the store.
[[nodiscard]] Result<StorePart> open_store(const Settings& settings, Access access,
                                           Patience patience = Patience::kSome);
// Creates keyspace and tables or brings them up to date; returns what was done, a line each.
// Errors: kNotBuilt, those of create_cassandra_schema.
[[nodiscard]] Result<std::vector<std::string>> create_store(const Settings& settings, const CassandraUrl& url);

// Of the directory in the settings, or the bundled ones.
[[nodiscard]] Result<std::vector<MarketPolicy>> open_policies(const Settings& settings);
[[nodiscard]] Result<SplitTable> open_splits(const Settings& settings);

}  // namespace finpipe
