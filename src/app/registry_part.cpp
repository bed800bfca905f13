#include "app/registry_part.h"

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "app/client_tls.h"
#include "telemetry/log.h"

namespace finpipe {

Result<std::unique_ptr<SchemaRegistry>> open_registry(const Settings& settings, const KafkaUrl& url,
                                                      Registering registering, std::int64_t patience_ms,
                                                      const std::function<bool()>& stop,
                                                      std::function<void(const std::string&)> waits) {
  const RegistrySettings& given = settings.registry;
  if (given.url.empty()) return nullptr;
  SchemaRegistryOptions options{.url = given.url, .user = given.user};
  options.password = given.password;
  options.register_missing = registering == Registering::kAsSet && given.registers;
  options.cache_directory = given.cache_directory;
  options.patience_ms = patience_ms;
  options.on_trouble = [waits = std::move(waits)](const std::string& reason) {
    log_warn("the schema registry", {{"reason", reason}});
    if (waits) waits(reason);
  };
  if (!given.ca_file.empty()) {
    FINPIPE_TRY_ASSIGN(tls, client_tls(given.ca_file));
    options.tls = std::move(tls);
  }
  std::vector<TopicSchema> ours;
  for (const Contract& one : contracts()) {
    ours.push_back({fmt::format("{}.{}", url.prefix, one.topic), one.record, one.fixed_id, one.schema});
  }
  return SchemaRegistry::open(std::move(options), ours, stop);
}

}  // namespace finpipe
