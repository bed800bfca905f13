// Keeps rows in Apache Cassandra, in the tables of cassandra/init.cql.
//
// Every write is an idempotent upsert with a timestamp that the content decides, so that it may be sent any number of
// times, late, and by a processor that was replaced: an older version of a row never covers a newer one. A commit is
// written in steps: trades, revisions and all else; then bars; then the checkpoint. Each step waits for the one before
// to be acknowledged by write_consistency, and read_consistency must overlap with it.
//
// A cluster that is away or slow is no error: writes are tried again until they succeed, loads likewise until
// `interrupt`, and `trouble` says why. What waits is bounded by what was submitted.
// Store functions are used by one thread; another one may use Query functions at the same time, and any thread trouble,
// interrupt and statistics.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/ports.h"

namespace finpipe {

// As the CQL protocol numbers them.
enum class CassandraConsistency : std::uint16_t {
  kOne = 1,
  kTwo = 2,
  kThree = 3,
  kQuorum = 4,
  kAll = 5,
  kLocalQuorum = 6,
  kEachQuorum = 7,
  kLocalOne = 10,
};

struct CassandraOptions {
  std::string contact_points;  // "host:port,host:port"
  std::string keyspace;
  std::string user;      // empty: no authentication
  std::string password;  // secret
  bool tls = false;
  std::string ca_file;                     // PEM; empty: the system's
  std::string certificate_file, key_file;  // PEM, of our own; empty: none
  std::string datacenter;                  // whose nodes alone are asked; empty: all alike
  CassandraConsistency read_consistency = CassandraConsistency::kLocalQuorum;
  CassandraConsistency write_consistency = CassandraConsistency::kLocalQuorum;
  std::int64_t connect_timeout_ms = 10'000;  // of open; the contact points share it, later connections have one's part
  std::int64_t request_timeout_ms = 5'000;   // of one attempt
  // Without an answer for so long it gives up, with kStoreUnreachable; 0: never.
  std::int64_t query_patience_ms = 2'000;  // a Query
  std::int64_t patience_ms = 0;            // all of a Store
  // A Query reads all columns of a bar and compares them with its state_row; without, it is faster.
  bool check_bar_columns = true;
};

// How long rows that are written from now on are kept, in days; 0: for ever; nullopt: as the tables have it, and new
// ones for ever.
struct CassandraRetention {
  std::optional<std::int64_t> ticks_days;
  std::optional<std::int64_t> bars_1s_days;
  std::optional<std::int64_t> bars_days;  // of the other intervals
};

struct CassandraStatistics {
  std::int64_t nodes = 0;
  std::int64_t nodes_up = 0;  // that have a connection of ours
  std::int64_t connections = 0;
  std::int64_t requests = 0;      // sent, all attempts
  std::int64_t rows_written = 0;  // acknowledged
  std::int64_t retries = 0;       // attempts after the first, the driver's own included
  std::int64_t timeouts = 0;      // attempts that may have been applied
  std::int64_t overloads = 0;     // attempts that the server refused because it had too much to do
  std::int64_t in_flight = 0;     // requests under way now
  std::int64_t window = 0;        // as many may be
  std::int64_t latency_us_p50 = 0, latency_us_p99 = 0;
};

// Creates or brings up to date keyspace and tables; what is there stays. `replication` is a number (one for all data
// centers) or "dc1:3,dc2:3", for a keyspace that is not there yet. Returns what was done, a line each.
// Errors: as open, and kNoPermission.
[[nodiscard]] Result<std::vector<std::string>> create_cassandra_schema(const CassandraOptions& options,
                                                                       const std::string& replication,
                                                                       const CassandraRetention& retention);

class CassandraStore final : public Store, public Query {
 public:
  // Errors: kStoreUnreachable, kBadCredentials, kNoPermission, kTlsUnknownCa, kTlsWrongHost, kTlsExpired, kTlsFailed,
  // kBadCertificate, kNoKeyspace, kSchemaMissing, kSchemaVersion, kWeakConsistency.
  [[nodiscard]] static Result<std::unique_ptr<CassandraStore>> open(const CassandraOptions& options);
  ~CassandraStore() override;

  // What is submitted is sent by the polls that follow. An error of poll is permanent: kNoPermission, kNoKeyspace,
  // kSchemaMissing, kStoreRefused.
  [[nodiscard]] Ticket submit(Commit commit) override;
  [[nodiscard]] Result<Ticket> poll() override;
  [[nodiscard]] std::optional<std::string> trouble() const override;
  void interrupt() override;
  [[nodiscard]] CassandraStatistics statistics() const;

  // Errors of everything that reads: those of poll, kInterrupted, and kCorrupt naming the row.
  [[nodiscard]] Result<std::optional<CheckpointRow>> load_checkpoint(std::int32_t partition) override;
  [[nodiscard]] Result<std::vector<SymbolRow>> load_symbols(std::int32_t partition) override;
  [[nodiscard]] Result<std::vector<BarRow>> load_bars(std::span<const BarRange> ranges) override;
  [[nodiscard]] Result<std::vector<SpanRow>> load_spans(std::int32_t partition) override;
  [[nodiscard]] Result<std::vector<VoidRow>> load_voids(std::int32_t partition) override;
  [[nodiscard]] Result<void> load_ticks(const TickRange& range, const std::function<void(const Tick&)>& visit) override;
  [[nodiscard]] Result<std::optional<PolicyRow>> load_policy(std::string_view hash) override;

  [[nodiscard]] Result<std::vector<SymbolRow>> symbols() override;
  [[nodiscard]] Result<std::vector<CheckpointRow>> checkpoints() override;
  [[nodiscard]] Result<void> bars(const BarRange& range, const std::function<bool(const BarRow&)>& visit,
                                  Order order = Order::kAscending) override;
  [[nodiscard]] Result<void> revisions(const BarRange& range,
                                       const std::function<bool(const RevisionRow&)>& visit) override;
  [[nodiscard]] Result<void> ticks(const TickRange& range, const std::function<bool(const Tick&)>& visit,
                                   Order order = Order::kAscending) override;
  [[nodiscard]] Result<std::vector<SpanRow>> spans() override;
  [[nodiscard]] Result<std::vector<VoidRow>> voids() override;
  [[nodiscard]] Result<std::optional<PolicyRow>> policy(std::string_view hash) override;

 private:
  class Implementation;
  explicit CassandraStore(std::unique_ptr<Implementation> implementation);

  std::unique_ptr<Implementation> implementation_;
};

}  // namespace finpipe
