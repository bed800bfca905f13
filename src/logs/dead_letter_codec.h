// A dead letter as stored bytes: Avro of schemas/dead_letter.avsc in Confluent framing, the same in every log.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "pipeline/ports.h"

namespace finpipe {

// Appends the letter's bytes to `out`.
void encode_dead_letter(const DeadLetter& letter, std::string& out);

// Errors: kAvroMalformed, kUnknownSchemaId; kCorrupt when the reason is no error's name.
[[nodiscard]] Result<DeadLetter> decode_dead_letter(std::string_view bytes);

}  // namespace finpipe
