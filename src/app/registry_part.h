// The schema registry that the settings name, for a log on Kafka.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "app/settings.h"
#include "app/urls.h"
#include "base/error.h"
#include "logs/registry/schema_registry.h"

namespace finpipe {

// Who writes has missing schemas registered, unless the settings say otherwise; tools do not.
enum class Registering : bool { kNo, kAsSet };

// Null where no registry is set. `patience_ms` 0: it waits until `stop` says so, which may be empty. `waits`, which may
// be empty, hears why.
// Errors: kNotFound for the file of authorities, those of SchemaRegistry::open.
[[nodiscard]] Result<std::unique_ptr<SchemaRegistry>> open_registry(const Settings& settings, const KafkaUrl& url,
                                                                    Registering registering, std::int64_t patience_ms,
                                                                    const std::function<bool()>& stop,
                                                                    std::function<void(const std::string&)> waits = {});

}  // namespace finpipe
