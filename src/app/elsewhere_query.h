// What a process without a query side answers to reads.
#pragma once

#include <string>
#include <utility>

#include "pipeline/ports.h"

namespace finpipe {

class ElsewhereQuery final : public Query {
 public:
  [[nodiscard]] Result<std::vector<SymbolRow>> symbols() override { return elsewhere(); }
  [[nodiscard]] Result<std::vector<CheckpointRow>> checkpoints() override { return elsewhere(); }
  [[nodiscard]] Result<void> bars(const BarRange& /*range*/, const std::function<bool(const BarRow&)>& /*visit*/,
                                  Order /*order*/) override {
    return elsewhere();
  }
  [[nodiscard]] Result<void> revisions(const BarRange& /*range*/,
                                       const std::function<bool(const RevisionRow&)>& /*visit*/) override {
    return elsewhere();
  }
  [[nodiscard]] Result<void> ticks(const TickRange& /*range*/, const std::function<bool(const Tick&)>& /*visit*/,
                                   Order /*order*/) override {
    return elsewhere();
  }
  [[nodiscard]] Result<std::vector<SpanRow>> spans() override { return elsewhere(); }
  [[nodiscard]] Result<std::vector<VoidRow>> voids() override { return elsewhere(); }
  [[nodiscard]] Result<std::optional<PolicyRow>> policy(std::string_view /*hash*/) override { return elsewhere(); }

 private:
  static std::unexpected<Error> elsewhere() {
    return fail(ErrorCode::kNoSuchRoute, "this process serves its health and metrics only: ask a `finpipe serve`");
  }
};

}  // namespace finpipe
