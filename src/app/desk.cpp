#include "app/desk.h"

#include <utility>

namespace finpipe {

Desk::Desk(std::unique_ptr<LogPart> log, StorePart store, LogWriter* bars)
    : log_(std::move(log)),
      store_(std::move(store)),
      reader_(log_->reader()),
      letters_(log_->dead_letters()),
      processor_(*reader_, bars == nullptr ? store_.store() : publishing_.emplace(store_.store(), *bars), *letters_,
                 clock_) {}

Result<std::unique_ptr<Desk>> Desk::open(const Settings& settings) {
  FINPIPE_TRY_ASSIGN(log, open_log(settings, Access::kChange));
  FINPIPE_TRY_ASSIGN(store, open_store(settings, Access::kChange));
  // Tells of a server that is away; the loads that follow would wait for it.
  FINPIPE_TRY(store.query().checkpoints());
  FINPIPE_TRY_ASSIGN(bars, log->bars());
  auto desk = std::unique_ptr<Desk>(new Desk(std::move(log), std::move(store), bars));
  FINPIPE_TRY(desk->catch_up());
  return desk;
}

Result<void> Desk::catch_up() {
  for (bool caught_up = false; !caught_up;) {
    FINPIPE_TRY(processor_.step());
    FINPIPE_TRY_ASSIGN(all_applied, processor_.caught_up());
    caught_up = all_applied;
  }
  for (bool durable = false; !durable;) {
    FINPIPE_TRY_ASSIGN(done, processor_.finish());
    durable = done;
  }
  return {};
}

}  // namespace finpipe
