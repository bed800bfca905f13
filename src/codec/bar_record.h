// Values of finnhub.bars: versions of bars as others see them, Avro of schemas/stock_bar.avsc in Confluent framing.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "market/bar.h"

namespace finpipe {

// Appends the value of the record of this version of a bar. Its key is the symbol.
void encode_bar_record(const BarRow& row, std::string& out);

// A bar to be shown or summed up, not to go on from: of the trades that made open and close only the prices are known,
// and of gathered changes nothing. Errors: kAvroMalformed, kUnknownSchemaId, that of a refused value; kBadSymbol,
// kWrongType when a field has a value that no bar has.
[[nodiscard]] Result<BarRow> decode_bar_record(std::string_view value);

}  // namespace finpipe
