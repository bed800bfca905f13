// Opens the parts that the settings name. The only place, with the commands, that knows concrete adapters.
#pragma once

#include <memory>
#include <vector>

#include "app/settings.h"
#include "base/error.h"
#include "feeds/tape.h"
#include "logs/embedded_log.h"
#include "market/market_policy.h"
#include "stores/embedded_store.h"

namespace finpipe {

// Writers own the directory; readers stand beside a running `run` and see what was there when they opened it.
enum class Access : std::uint8_t { kWrite, kRead };

[[nodiscard]] Result<std::unique_ptr<TapeFeed>> open_feed(const Settings& settings);
[[nodiscard]] Result<std::unique_ptr<EmbeddedLog>> open_log(const Settings& settings, Access access);
[[nodiscard]] Result<std::unique_ptr<EmbeddedStore>> open_store(const Settings& settings, Access access);
// Of the directory in the settings, or the bundled ones.
[[nodiscard]] Result<std::vector<MarketPolicy>> open_policies(const Settings& settings);

}  // namespace finpipe
