#include "net/event_loop.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <vector>

#include "net/tests/support.h"

namespace finpipe::net {
namespace {

TEST(EventLoop, RunsWhatIsPostedInOrder) {
  EventLoop loop;
  std::vector<int> order;
  for (int i = 0; i < 5; ++i) loop.post([&order, i] { order.push_back(i); });
  EXPECT_EQ(loop.run_some(0), 5U);
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
}

TEST(EventLoop, WaitsForWorkAndGoesOnAfterHavingHadNone) {
  EventLoop loop;
  Stopwatch watch;
  EXPECT_EQ(loop.run_some(20), 0U);
  EXPECT_GE(watch.elapsed_ms(), 19);
  EXPECT_EQ(loop.run_some(0), 0U);
  int calls = 0;
  loop.post([&] { ++calls; });
  EXPECT_EQ(loop.run_some(0), 1U);
  EXPECT_EQ(calls, 1);
}

TEST(EventLoop, APostOfAnotherThreadWakesIt) {
  EventLoop loop;
  int calls = 0;
  Stopwatch watch;
  std::thread other([&] { loop.post([&] { ++calls; }); });
  EXPECT_EQ(loop.run_some(60'000), 1U);
  other.join();
  EXPECT_EQ(calls, 1);
  EXPECT_LT(watch.elapsed_ms(), 30'000);
}

TEST(EventLoop, WhatKeepsItselfReadyDoesNotKeepTheCaller) {
  EventLoop loop;
  std::function<void()> again = [&] { loop.post([&] { again(); }); };
  again();
  EXPECT_LE(loop.run_some(0), 1'000U);
}

TEST(EventLoop, StopEndsRunEvenWhenItCameFirst) {
  EventLoop loop;
  loop.stop();
  loop.run();
  std::thread other([&] { loop.post([&] { loop.stop(); }); });
  loop.run();
  other.join();
  int calls = 0;
  loop.post([&] { ++calls; });
  EXPECT_EQ(loop.run_some(0), 1U);
}

TEST(Timer, CallsOnceAfterItsDelay) {
  EventLoop loop;
  Timer timer(loop);
  Stopwatch watch;
  int calls = 0;
  timer.start(20, [&] { ++calls; });
  EXPECT_TRUE(run_until(loop, [&] { return calls == 1; }));
  EXPECT_GE(watch.elapsed_ms(), 19);
  EXPECT_EQ(loop.run_some(40), 0U);
}

TEST(Timer, StartingAgainForgetsTheFirstCall) {
  EventLoop loop;
  Timer timer(loop);
  int first = 0;
  int second = 0;
  timer.start(1, [&] { ++first; });
  timer.start(5, [&] { ++second; });
  EXPECT_TRUE(run_until(loop, [&] { return second == 1; }));
  EXPECT_EQ(first, 0);
}

TEST(Timer, DoesNotCallAfterCancelOrItsEnd) {
  EventLoop loop;
  int calls = 0;
  Timer cancelled(loop);
  cancelled.start(0, [&] { ++calls; });
  cancelled.cancel();
  auto destroyed = std::make_unique<Timer>(loop);
  destroyed->start(0, [&] { ++calls; });
  destroyed.reset();
  loop.run_some(10);
  loop.run_some(10);
  EXPECT_EQ(calls, 0);
}

TEST(Timer, MayStartItselfOrEndInItsCall) {
  EventLoop loop;
  int calls = 0;
  auto timer = std::make_unique<Timer>(loop);
  timer->start(0, [&] {
    ++calls;
    timer->start(0, [&] {
      ++calls;
      timer.reset();
    });
  });
  EXPECT_TRUE(run_until(loop, [&] { return calls == 2; }));
  EXPECT_EQ(timer, nullptr);
}

}  // namespace
}  // namespace finpipe::net
