// A stored span of event time as the engine's trust book takes it.
#pragma once

#include "bars/trust.h"
#include "pipeline/ports.h"

namespace finpipe {

[[nodiscard]] inline TrustSpan trust_span(const SpanRow& row) {
  const auto kind = [&] {
    switch (row.kind) {
      case SpanRow::Kind::kGap: return TrustSpan::Kind::kGap;
      case SpanRow::Kind::kFilled: return TrustSpan::Kind::kFilled;
      case SpanRow::Kind::kUnsubscribed: break;
    }
    return TrustSpan::Kind::kUnsubscribed;
  }();
  return {kind, row.symbol, {row.from_ms, row.to_ms}};
}

}  // namespace finpipe
