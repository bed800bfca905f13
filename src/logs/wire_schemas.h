// What a log needs to know about schemas: which of ours it holds under which ids, and how to learn of others. With a
// schema registry that is SchemaRegistry::wire_schemas() (logs/registry/), and here without one.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "logs/schema_translator.h"

namespace finpipe {

// One of our contracts, and whose records have it.
struct Contract {
  std::string_view topic;   // without the prefix and dot that all topics of a log have
  std::string_view record;  // with its namespace
  std::uint32_t fixed_id = 0;
  std::string_view schema;  // static text
};
[[nodiscard]] std::span<const Contract> contracts();

// All calls are for any thread, and many at once.
struct WireSchemas {
  std::vector<WireSchema> ours;
  SchemaTranslator::LookUp look_up;
  // Goes on with what was asked for; never blocks for a server. An error is permanent, and told to every caller.
  std::function<Result<void>()> poll;
  // Why a foreign schema is not known yet, so that its partition waits.
  std::function<std::optional<std::string>()> trouble;
};

// Without a registry: our contracts with their fixed ids, and every version that was ever released.
[[nodiscard]] WireSchemas fixed_wire_schemas();

}  // namespace finpipe
