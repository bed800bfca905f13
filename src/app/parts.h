// Opens log, store and policies that the settings name. With feed_parts.h and the commands the only place that knows
// concrete adapters.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "app/settings.h"
#include "base/error.h"
#include "logs/embedded_log.h"
#include "market/market_policy.h"
#include "market/splits.h"
#include "stores/embedded_store.h"

namespace finpipe {

// Writers own the directory and make it when it is missing; kChange owns what is there already. Readers stand beside a
// running `run` and see what was there when they opened it. Where nobody chose a directory, all but kWrite take the
// demo's when there is no other.
enum class Access : std::uint8_t { kWrite, kChange, kRead };

constexpr std::string_view kDemoLog = "embedded:./finpipe-data/demo/log";
constexpr std::string_view kDemoStore = "embedded:./finpipe-data/demo/store";

[[nodiscard]] Result<std::unique_ptr<EmbeddedLog>> open_log(const Settings& settings, Access access);
[[nodiscard]] Result<std::unique_ptr<EmbeddedStore>> open_store(const Settings& settings, Access access);
// Of the directory in the settings, or the bundled ones.
[[nodiscard]] Result<std::vector<MarketPolicy>> open_policies(const Settings& settings);
[[nodiscard]] Result<SplitTable> open_splits(const Settings& settings);

}  // namespace finpipe
