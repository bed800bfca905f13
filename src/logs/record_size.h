// How many bytes a record counts for, the same in every log: what byte bounds of writers and readers are measured in.
#pragma once

#include <cstddef>

#include "pipeline/ports.h"

namespace finpipe {

// Keeps a record without key and value from being free.
constexpr std::size_t kRecordOverheadBytes = 16;

[[nodiscard]] inline std::size_t record_bytes(const LogRecord& record) {
  return kRecordOverheadBytes + (record.key ? record.key->size() : 0) + record.value.size();
}

}  // namespace finpipe
