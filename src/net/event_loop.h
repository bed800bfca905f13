// One thread's network work: sockets, timers and posted calls, run where the owner of the loop says. Starts no thread.
// Everything in net/ that takes a loop calls its handlers from the loop's run functions, one at a time, and belongs to
// the thread that runs it. Only `post` and `stop` may be called by others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

namespace finpipe::net {

class EventLoop {
 public:
  using Call = std::move_only_function<void()>;

  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Runs what is ready, waiting at most wait_ms for the first of it; the number of handlers run.
  std::size_t run_some(std::int64_t wait_ms);
  // Runs until `stop`.
  void run();
  void stop();
  // From any thread: the call is made by the loop.
  void post(Call call);

  struct Implementation;
  [[nodiscard]] Implementation& implementation() { return *implementation_; }

 private:
  std::unique_ptr<Implementation> implementation_;
};

// Calls once after a delay, unless started again or cancelled before. The handler does not run after the destructor.
class Timer {
 public:
  explicit Timer(EventLoop& loop);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void start(std::int64_t delay_ms, EventLoop::Call call);
  void cancel();

 private:
  struct Implementation;
  std::shared_ptr<Implementation> implementation_;
};

}  // namespace finpipe::net
