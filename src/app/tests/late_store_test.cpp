#include "app/late_store.h"

#include <gtest/gtest.h>

#include <thread>

#include "stores/memory_store.h"

namespace finpipe {
namespace {

constexpr std::int64_t kPauseMs = 1;
const Error kAway{ErrorCode::kStoreUnreachable, "nobody is there"};

std::unique_ptr<MemoryStore> with_checkpoint() {
  auto store = std::make_unique<MemoryStore>();
  Commit commit;
  commit.checkpoints.push_back({.partition = 0, .generation = 1, .offset = 7, .body = "x"});
  static_cast<void>(store->submit(std::move(commit)));
  EXPECT_TRUE(store->poll());
  return store;
}

TEST(LateStore, LoadsWaitUntilItCanBeOpened) {
  int tries = 0;
  LateStore store(
      [&]() -> Result<StorePart> {
        if (++tries < 3) return fail(ErrorCode::kStoreUnreachable, "still nobody");
        return StorePart(with_checkpoint());
      },
      kAway, kPauseMs);
  EXPECT_EQ(store.trouble(), "it cannot be opened: nobody is there");
  EXPECT_EQ(store.symbols().error().code, ErrorCode::kStoreUnreachable);
  EXPECT_EQ(store.poll(), 0);
  const auto loaded = store.load_checkpoint(0);
  ASSERT_TRUE(loaded && *loaded);
  EXPECT_EQ((*loaded)->offset, 7);
  EXPECT_EQ(tries, 3);
  EXPECT_EQ(store.trouble(), std::nullopt);
  EXPECT_TRUE(store.symbols());
  EXPECT_EQ(store.submit({}), 2);  // after the checkpoint's
  EXPECT_EQ(store.poll(), 2);
}

TEST(LateStore, OtherErrorsAreThoseOfTheLoad) {
  LateStore store([]() -> Result<StorePart> { return fail(ErrorCode::kBadCredentials, "finpipe"); }, kAway, kPauseMs);
  EXPECT_EQ(store.load_checkpoint(0).error().code, ErrorCode::kBadCredentials);
}

TEST(LateStore, AnInterruptEndsTheWait) {
  constexpr std::int64_t kVeryLongMs = 3'600'000;
  LateStore store([]() -> Result<StorePart> { return fail(kAway); }, kAway, kVeryLongMs);
  std::thread interrupter([&] { store.interrupt(); });
  EXPECT_EQ(store.load_checkpoint(0).error().code, ErrorCode::kInterrupted);
  interrupter.join();
}

}  // namespace
}  // namespace finpipe
