#include "base/block_list.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <iterator>
#include <numeric>
#include <utility>
#include <vector>

namespace finpipe {
namespace {

static_assert(std::forward_iterator<BlockList<int>::Iterator>);

TEST(BlockList, HoldsWhatWasPutInInOrder) {
  using List = BlockList<std::int64_t>;
  for (const std::size_t count :
       {std::size_t{0}, std::size_t{1}, List::kPerBlock, List::kPerBlock + 1, 3 * List::kPerBlock}) {
    List list;
    for (std::size_t i = 0; i < count; ++i) list.push_back(static_cast<std::int64_t>(i));
    std::vector<std::int64_t> expected(count);
    std::iota(expected.begin(), expected.end(), 0);
    EXPECT_EQ(list.size(), count);
    EXPECT_EQ(list.empty(), count == 0);
    EXPECT_EQ(std::vector<std::int64_t>(list.begin(), list.end()), expected);
  }
}

TEST(BlockList, IsEmptyAfterAMove) {
  BlockList<int> list;
  list.push_back(1);
  const BlockList<int> moved = std::move(list);
  EXPECT_EQ(moved.size(), 1U);
  list = {};
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(list.push_back(2), 2);
}

TEST(BlockList, TakesElementsLargerThanABlock) {
  struct Large {
    std::byte bytes[100'000];
  };
  BlockList<Large> list;
  list.push_back({});
  list.push_back({});
  EXPECT_EQ(list.size(), 2U);
}

}  // namespace
}  // namespace finpipe
