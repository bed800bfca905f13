// Where an operator works: a log and a store that has every record of the log. Embedded parts nobody else writes;
// beside the processors of a log on Kafka it is one more, which makes and publishes what they do.
#pragma once

#include <memory>
#include <optional>

#include "app/parts.h"
#include "base/clock.h"
#include "base/error.h"
#include "pipeline/processor.h"
#include "pipeline/publishing_store.h"

namespace finpipe {

class Desk {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Desk>> open(const Settings& settings);

  // Takes what was appended to the log into the store.
  [[nodiscard]] Result<void> catch_up();

  [[nodiscard]] LogPart& log() { return *log_; }
  [[nodiscard]] Store& store() { return store_.store(); }
  [[nodiscard]] Query& query() { return store_.query(); }
  [[nodiscard]] bool is_voided(const Tick& tick, std::int32_t partition) const {
    return processor_.partitions().at(partition).is_voided(tick);
  }
  [[nodiscard]] Clock& clock() { return clock_; }

 private:
  Desk(std::unique_ptr<LogPart> log, StorePart store, LogWriter* bars);

  SystemClock clock_;
  std::unique_ptr<LogPart> log_;
  StorePart store_;
  std::optional<PublishingStore> publishing_;
  std::unique_ptr<LogReader> reader_;
  std::unique_ptr<DeadLetters> letters_;
  Processor processor_;
};

}  // namespace finpipe
