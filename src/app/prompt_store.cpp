#include "app/prompt_store.h"

#include <chrono>
#include <utility>

#include "base/time.h"

namespace finpipe {
namespace {

constexpr auto kLookInterval = std::chrono::milliseconds(20);
constexpr auto kPollWait = std::chrono::milliseconds(1);

}  // namespace

Result<void> Patience::look() {
  const auto trouble = store_.trouble();
  if (!trouble) {
    since_ns_.reset();
    return {};
  }
  const std::int64_t now_ns = clock_.boot_ns();
  if (!since_ns_) since_ns_ = now_ns;
  if (now_ns - *since_ns_ < patience_ms_ * kNsPerMs) return {};
  return fail(ErrorCode::kStoreUnreachable, *trouble);
}

PromptQuery::PromptQuery(Query& query, Store& store, Clock& clock, std::int64_t patience_ms)
    : query_(query), store_(store), patience_(store, clock, patience_ms), thread_([this] { work(); }) {}

PromptQuery::~PromptQuery() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    waiting_.clear();
    if (busy_) store_.interrupt();
    changed_.notify_all();
  }
  thread_.join();
}

void PromptQuery::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stop_ || !waiting_.empty(); });
    if (stop_) return;
    const auto next = std::move(waiting_.front());
    waiting_.pop_front();
    busy_ = true;
    lock.unlock();
    next();
    lock.lock();
    busy_ = false;
  }
}

template <typename T>
Result<T> PromptQuery::ask(std::function<Result<T>(Call<T>& call)> read) {
  const auto call = std::make_shared<Call<T>>();
  if (std::this_thread::get_id() == thread_.get_id()) return read(*call);
  FINPIPE_TRY(patience_.look());
  {
    const std::lock_guard lock(mutex_);
    waiting_.emplace_back([call, read = std::move(read)] {
      {
        const std::lock_guard call_lock(call->mutex);
        if (call->abandoned) return;
      }
      Result<T> answer = read(*call);
      const std::lock_guard call_lock(call->mutex);
      call->answer.emplace(std::move(answer));
      call->answered.notify_all();
    });
    changed_.notify_all();
  }
  std::unique_lock lock(call->mutex);
  while (!call->answered.wait_for(lock, kLookInterval, [&] { return call->answer.has_value(); })) {
    if (auto patient = patience_.look(); !patient) {
      call->abandoned = true;
      return fail(std::move(patient).error());
    }
  }
  return *std::move(call->answer);
}

template <typename Row, typename Range>
Result<void> PromptQuery::visit_rows(
    const Range& range, const std::function<bool(const Row&)>& visit,
    const std::function<Result<void>(const Range&, const std::function<bool(const Row&)>&)>& read) {
  // `visit` is borrowed, and called only while whoever asked waits.
  return ask<void>([range, symbol = std::string(range.symbol), &visit, read](Call<void>& call) {
    Range kept = range;
    kept.symbol = symbol;
    return read(kept, [&](const Row& row) {
      const std::lock_guard lock(call.mutex);
      return !call.abandoned && visit(row);
    });
  });
}

Result<std::vector<SymbolRow>> PromptQuery::symbols() {
  return ask<std::vector<SymbolRow>>([this](auto&) { return query_.symbols(); });
}

Result<std::vector<CheckpointRow>> PromptQuery::checkpoints() {
  return ask<std::vector<CheckpointRow>>([this](auto&) { return query_.checkpoints(); });
}

Result<void> PromptQuery::bars(const BarRange& range, const std::function<bool(const BarRow&)>& visit, Order order) {
  return visit_rows<BarRow, BarRange>(
      range, visit, [this, order](const auto& kept, const auto& each) { return query_.bars(kept, each, order); });
}

Result<void> PromptQuery::revisions(const BarRange& range, const std::function<bool(const RevisionRow&)>& visit) {
  return visit_rows<RevisionRow, BarRange>(
      range, visit, [this](const auto& kept, const auto& each) { return query_.revisions(kept, each); });
}

Result<void> PromptQuery::ticks(const TickRange& range, const std::function<bool(const Tick&)>& visit, Order order) {
  return visit_rows<Tick, TickRange>(
      range, visit, [this, order](const auto& kept, const auto& each) { return query_.ticks(kept, each, order); });
}

Result<std::vector<SpanRow>> PromptQuery::spans() {
  return ask<std::vector<SpanRow>>([this](auto&) { return query_.spans(); });
}

Result<std::vector<VoidRow>> PromptQuery::voids() {
  return ask<std::vector<VoidRow>>([this](auto&) { return query_.voids(); });
}

Result<std::optional<PolicyRow>> PromptQuery::policy(std::string_view hash) {
  return ask<std::optional<PolicyRow>>([this, hash = std::string(hash)](auto&) { return query_.policy(hash); });
}

Result<PromptStore::Ticket> PromptStore::poll() {
  FINPIPE_TRY_ASSIGN(done, to_.poll());
  if (done >= submitted_) return done;
  FINPIPE_TRY(patience_.look());
  std::mutex mutex;
  std::unique_lock lock(mutex);
  std::condition_variable().wait_for(lock, kPollWait);
  return done;
}

}  // namespace finpipe
