#include "app/parts.h"

#include "app/urls.h"
#include "codec/policy_file.h"

namespace finpipe {

Result<std::unique_ptr<TapeFeed>> open_feed(const Settings& settings) {
  FINPIPE_TRY_ASSIGN(path, tape_path(settings.feed));
  return TapeFeed::open(path);
}

Result<std::unique_ptr<EmbeddedLog>> open_log(const Settings& settings, Access access) {
  FINPIPE_TRY_ASSIGN(directory, embedded_directory("log", settings.log));
  EmbeddedLogOptions options;
  options.read_only = access == Access::kRead;
  // A reader takes the log as it is.
  if (access == Access::kWrite) options.partitions = settings.partitions;
  return EmbeddedLog::open(directory, options);
}

Result<std::unique_ptr<EmbeddedStore>> open_store(const Settings& settings, Access access) {
  FINPIPE_TRY_ASSIGN(directory, embedded_directory("store", settings.store));
  return EmbeddedStore::open(directory, {.read_only = access == Access::kRead});
}

Result<std::vector<MarketPolicy>> open_policies(const Settings& settings) {
  return settings.policies.empty() ? bundled_policies() : load_policies(settings.policies);
}

}  // namespace finpipe
