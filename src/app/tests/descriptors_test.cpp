#include "app/descriptors.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

namespace finpipe {
namespace {

TEST(Descriptors, ConnectionsLeaveEnoughToLogAndStore) {
  EXPECT_EQ(connections_within(1'048'576, 1'024), 1'024U);
  EXPECT_EQ(connections_within(1'536, 1'024), 1'024U);
  EXPECT_EQ(connections_within(1'024, 1'024), 512U);
  EXPECT_EQ(connections_within(100, 1'024), 50U);
}

TEST(Descriptors, TheLimitIsRaisedToWhatTheSystemAllows) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit low = before;
  low.rlim_cur = before.rlim_max / 2;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  EXPECT_EQ(raise_descriptor_limit(), before.rlim_max);
  rlimit after{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &after), 0);
  EXPECT_EQ(after.rlim_cur, before.rlim_max);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
}

}  // namespace
}  // namespace finpipe
