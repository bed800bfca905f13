#include "app/parts.h"

#include <fmt/format.h>

#include <filesystem>
#include <string>

#include "app/late_store.h"
#include "app/urls.h"
#include "codec/policy_file.h"
#include "codec/split_file.h"
#include "logs/embedded_log.h"
#include "stores/embedded_store.h"

namespace finpipe {
namespace {

// The directory behind a URL, or the demo's.
Result<std::string> directory_of(std::string_view setting, const std::string& url, bool is_default,
                                 std::string_view demo_url, Access access) {
  FINPIPE_TRY_ASSIGN(directory, embedded_directory(setting, url));
  if (access == Access::kWrite) return directory;
  std::error_code error;
  if (is_default && !std::filesystem::exists(directory, error)) {
    FINPIPE_TRY_ASSIGN(demo, embedded_directory(setting, demo_url));
    if (std::filesystem::exists(demo, error)) directory = std::move(demo);
  }
  if (access == Access::kChange && !std::filesystem::exists(directory, error)) {
    return fail(ErrorCode::kNotFound, fmt::format("{}, the {}", directory, setting));
  }
  return directory;
}

CassandraOptions cassandra_options(const Settings& settings, const CassandraUrl& url) {
  CassandraOptions options = settings.cassandra;
  options.contact_points = url.contact_points;
  options.keyspace = url.keyspace;
  return options;
}

#ifdef FINPIPE_CASSANDRA
Result<StorePart> open_cassandra(CassandraOptions options, Patience patience) {
  constexpr std::int64_t kPatienceMs = 30'000, kFirstConnectMs = 2'000;
  if (patience == Patience::kSome) options.patience_ms = options.query_patience_ms = kPatienceMs;
  const auto open = [](const CassandraOptions& how) -> Result<StorePart> {
    FINPIPE_TRY_ASSIGN(store, CassandraStore::open(how));
    return StorePart(std::move(store));
  };
  const CassandraOptions later = options;
  // What is received waits for this one.
  if (patience == Patience::kEndless) options.connect_timeout_ms = kFirstConnectMs;
  auto opened = open(options);
  const bool away = !opened && opened.error().code == ErrorCode::kStoreUnreachable;
  if (away && patience == Patience::kEndless)
    return StorePart(std::make_unique<LateStore>([open, later] { return open(later); }, opened.error()));
  return opened;
}
#else
Result<StorePart> open_cassandra(CassandraOptions /*options*/, Patience /*patience*/) {
  return fail(ErrorCode::kNotBuilt, "Cassandra");
}
#endif

template <typename Log>
class OpenedLog final : public LogPart {
 public:
  explicit OpenedLog(std::unique_ptr<Log> log) : log_(std::move(log)) {}
  [[nodiscard]] const LogId& log_id() const override { return log_->log_id(); }
  [[nodiscard]] std::int32_t partitions() const override { return log_->partitions(); }
  [[nodiscard]] LogWriter& writer() override { return log_->writer(); }
  [[nodiscard]] std::unique_ptr<LogReader> reader() override { return log_->reader(); }
  [[nodiscard]] std::unique_ptr<DeadLetters> dead_letters() override { return log_->dead_letters(); }
  [[nodiscard]] std::unique_ptr<DeadLetterQuery> dead_letter_query() override { return log_->dead_letter_query(); }

 private:
  std::unique_ptr<Log> log_;
};

}  // namespace

Result<std::unique_ptr<LogPart>> open_log(const Settings& settings, Access access) {
  FINPIPE_TRY_ASSIGN(directory, directory_of("log", settings.log, settings.log_is_default, kDemoLog, access));
  EmbeddedLogOptions options;
  options.read_only = access == Access::kRead;
  // All others take the log as it is.
  if (access == Access::kWrite) options.partitions = settings.partitions;
  FINPIPE_TRY_ASSIGN(log, EmbeddedLog::open(directory, options));
  return std::make_unique<OpenedLog<EmbeddedLog>>(std::move(log));
}

Result<StorePart> open_store(const Settings& settings, Access access, Patience patience) {
  FINPIPE_TRY_ASSIGN(url, parse_store_url(settings.store));
  if (const auto* cassandra = std::get_if<CassandraUrl>(&url))
    return open_cassandra(cassandra_options(settings, *cassandra), patience);
  FINPIPE_TRY_ASSIGN(directory, directory_of("store", settings.store, settings.store_is_default, kDemoStore, access));
  FINPIPE_TRY_ASSIGN(store, EmbeddedStore::open(directory, {.read_only = access == Access::kRead}));
  return StorePart(std::move(store));
}

#ifdef FINPIPE_CASSANDRA
Result<std::vector<std::string>> create_store(const Settings& settings, const CassandraUrl& url) {
  return create_cassandra_schema(cassandra_options(settings, url), settings.cassandra_replication,
                                 settings.cassandra_retention);
}
#else
Result<std::vector<std::string>> create_store(const Settings& /*settings*/, const CassandraUrl& /*url*/) {
  return fail(ErrorCode::kNotBuilt, "Cassandra");
}
#endif

Result<std::vector<MarketPolicy>> open_policies(const Settings& settings) {
  return settings.policies.empty() ? bundled_policies() : load_policies(settings.policies);
}

Result<SplitTable> open_splits(const Settings& settings) {
  return settings.policies.empty() ? bundled_splits() : load_splits(settings.policies);
}

}  // namespace finpipe
