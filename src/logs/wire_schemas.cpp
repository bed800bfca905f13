#include "logs/wire_schemas.h"

#include <algorithm>
#include <array>
#include <utility>

#include "codec/dead_letter_avro.h"
#include "codec/feed_status_avro.h"
#include "codec/stock_bar_avro.h"
#include "codec/stock_quote_avro.h"
#include "codec/stock_tick_avro.h"
#include "logs/released_schemas.h"

namespace finpipe {
namespace {

template <typename Record>
constexpr Contract contract(std::string_view topic, std::string_view record) {
  return {topic, record, Record::kSchemaId, Record::kSchema};
}
constexpr std::array kContracts = {
    contract<avro::StockTick>("ticks", "io.finpipe.StockTick"),
    contract<avro::FeedStatus>("ticks", "io.finpipe.FeedStatus"),
    contract<avro::DeadLetter>("dead-letters", "io.finpipe.DeadLetter"),
    contract<avro::StockQuote>("quotes", "io.finpipe.StockQuote"),
    contract<avro::StockBar>("bars", "io.finpipe.StockBar"),
};

std::optional<Result<std::string>> released_schema(std::uint32_t fixed_id) {
  const auto found = std::ranges::find(kReleasedSchemas, fixed_id, &ReleasedSchema::fixed_id);
  if (found == kReleasedSchemas.end()) return fail(ErrorCode::kUnknownSchemaId, "no finpipe has it");
  return std::string(found->schema);
}

}  // namespace

std::span<const Contract> contracts() { return kContracts; }

WireSchemas fixed_wire_schemas() {
  std::vector<WireSchema> ours;
  for (const Contract& one : kContracts) ours.push_back({one.fixed_id, one.fixed_id, one.schema});
  return {.ours = std::move(ours),
          .look_up = released_schema,
          .poll = [] { return Result<void>(); },
          .trouble = [] { return std::nullopt; }};
}

}  // namespace finpipe
