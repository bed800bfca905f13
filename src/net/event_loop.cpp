#include "net/event_loop.h"

#include <utility>

#include "net/asio_impl.h"

namespace finpipe::net {
namespace {

// Handlers of one run_some: what keeps itself ready, such as a socket with a fast peer, does not keep the caller.
constexpr std::size_t kMaxHandlers = 1'000;

std::size_t poll(asio::io_context& context, std::size_t most) {
  std::size_t count = 0;
  while (count < most && context.poll_one() > 0) ++count;
  return count;
}

}  // namespace

EventLoop::EventLoop() : implementation_(std::make_unique<Implementation>()) {}
EventLoop::~EventLoop() = default;

std::size_t EventLoop::run_some(std::int64_t wait_ms) {
  asio::io_context& context = implementation_->context;
  std::size_t count = poll(context, kMaxHandlers);
  if (count == 0 && wait_ms > 0 && !context.stopped()) {
    count = context.run_one_for(std::chrono::milliseconds(wait_ms));
    if (count > 0) count += poll(context, kMaxHandlers - count);
  }
  if (context.stopped()) context.restart();
  return count;
}

void EventLoop::run() {
  implementation_->context.run();
  implementation_->context.restart();
}

void EventLoop::stop() { implementation_->context.stop(); }

void EventLoop::post(Call call) { asio::post(implementation_->context, std::move(call)); }

struct Timer::Implementation : std::enable_shared_from_this<Timer::Implementation> {
  explicit Implementation(asio::io_context& context) : timer(context) {}

  SteadyTimer timer;
  std::uint64_t generation = 0;  // of the call that may still be made
  EventLoop::Call call;
};

Timer::Timer(EventLoop& loop) : implementation_(std::make_shared<Implementation>(context_of(loop))) {}

Timer::~Timer() { cancel(); }

void Timer::start(std::int64_t delay_ms, EventLoop::Call call) {
  Implementation& it = *implementation_;
  const std::uint64_t generation = ++it.generation;
  it.call = std::move(call);
  it.timer.expires_after(std::chrono::milliseconds(delay_ms));
  it.timer.async_wait([weak = it.weak_from_this(), generation](error_code) {
    const auto self = weak.lock();
    if (!self || self->generation != generation) return;
    ++self->generation;
    std::exchange(self->call, nullptr)();
  });
}

void Timer::cancel() {
  ++implementation_->generation;
  implementation_->call = nullptr;
  implementation_->timer.cancel();
}

}  // namespace finpipe::net
