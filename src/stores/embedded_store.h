// Keeps rows in a directory of this machine (RocksDB). A commit is one atomic, synced write: after a crash a commit is
// there whole or not at all, and what poll has returned is there. The directory belongs to one process at a time;
// others may open it read-only beside it and see the commits that were done when they opened it.
// Store and load_ functions are used by one thread; a second one may use Query functions at the same time.
#pragma once

#include <filesystem>
#include <memory>

#include "pipeline/ports.h"

namespace finpipe {

struct EmbeddedStoreOptions {
  bool read_only = false;
};

class EmbeddedStore final : public Store, public Query {
 public:
  // Creates the directory when it does not exist, unless read_only. Errors: kNotFound, kDirectoryInUse, kReadOnly,
  // kWrongFormat (something else is in there, or another version's store), kDiskFull, kCorrupt, kIo.
  [[nodiscard]] static Result<std::unique_ptr<EmbeddedStore>> open(const std::filesystem::path& directory,
                                                                   EmbeddedStoreOptions options = {});
  ~EmbeddedStore() override;

  // What is submitted before a poll is written by it at once. Errors of poll: kReadOnly, kDiskFull, kCorrupt, kIo.
  [[nodiscard]] Ticket submit(Commit commit) override;
  [[nodiscard]] Result<Ticket> poll() override;

  // Errors of everything that reads: kIo, and kCorrupt naming the row.
  [[nodiscard]] Result<std::optional<CheckpointRow>> load_checkpoint(std::int32_t partition) override;
  [[nodiscard]] Result<std::vector<SymbolRow>> load_symbols(std::int32_t partition) override;
  [[nodiscard]] Result<std::vector<BarRow>> load_bars(std::span<const BarRange> ranges) override;
  [[nodiscard]] Result<std::vector<SpanRow>> load_spans(std::int32_t partition) override;
  [[nodiscard]] Result<std::vector<VoidRow>> load_voids(std::int32_t partition) override;
  [[nodiscard]] Result<void> load_ticks(const TickRange& range, const std::function<void(const Tick&)>& visit) override;
  [[nodiscard]] Result<std::optional<PolicyRow>> load_policy(std::string_view hash) override;

  [[nodiscard]] Result<std::vector<SymbolRow>> symbols() override;
  [[nodiscard]] Result<std::vector<CheckpointRow>> checkpoints() override;
  [[nodiscard]] Result<void> bars(const BarRange& range, const std::function<bool(const BarRow&)>& visit,
                                  Order order = Order::kAscending) override;
  [[nodiscard]] Result<void> revisions(const BarRange& range,
                                       const std::function<bool(const RevisionRow&)>& visit) override;
  [[nodiscard]] Result<void> ticks(const TickRange& range, const std::function<bool(const Tick&)>& visit,
                                   Order order = Order::kAscending) override;
  [[nodiscard]] Result<std::vector<SpanRow>> spans() override;
  [[nodiscard]] Result<std::vector<VoidRow>> voids() override;
  [[nodiscard]] Result<std::optional<PolicyRow>> policy(std::string_view hash) override;

 private:
  class Implementation;
  explicit EmbeddedStore(std::unique_ptr<Implementation> implementation);

  std::unique_ptr<Implementation> implementation_;
};

}  // namespace finpipe
