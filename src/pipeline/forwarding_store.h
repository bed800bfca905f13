// What stores that stand before another one have in common: loads and troubles are the other's.
#pragma once

#include "pipeline/ports.h"

namespace finpipe {

class ForwardingStore : public Store {
 public:
  explicit ForwardingStore(Store& to) : to_(to) {}

  [[nodiscard]] std::optional<std::string> trouble() const override { return to_.trouble(); }
  void interrupt() override { to_.interrupt(); }
  [[nodiscard]] Result<std::optional<CheckpointRow>> load_checkpoint(std::int32_t partition) override {
    return to_.load_checkpoint(partition);
  }
  [[nodiscard]] Result<std::vector<SymbolRow>> load_symbols(std::int32_t partition) override {
    return to_.load_symbols(partition);
  }
  [[nodiscard]] Result<std::vector<BarRow>> load_bars(std::span<const BarRange> ranges) override {
    return to_.load_bars(ranges);
  }
  [[nodiscard]] Result<std::vector<SpanRow>> load_spans(std::int32_t partition) override {
    return to_.load_spans(partition);
  }
  [[nodiscard]] Result<std::vector<VoidRow>> load_voids(std::int32_t partition) override {
    return to_.load_voids(partition);
  }
  [[nodiscard]] Result<void> load_ticks(const TickRange& range,
                                        const std::function<void(const Tick&)>& visit) override {
    return to_.load_ticks(range, visit);
  }
  [[nodiscard]] Result<std::optional<PolicyRow>> load_policy(std::string_view hash) override {
    return to_.load_policy(hash);
  }

 protected:
  [[nodiscard]] Store& to() const { return to_; }

 private:
  Store& to_;
};

}  // namespace finpipe
