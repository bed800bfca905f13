#include "codec/raw_trade.h"

#include <gtest/gtest.h>

namespace finpipe {
namespace {

using Elements = std::vector<std::string_view>;

TEST(RawTrades, AreTheElementsAsTheyCame) {
  EXPECT_EQ(raw_trades(R"({"data":[{"p":1}, {"s":"]},{"} ,null],"type":"trade"})"),
            (Elements{R"({"p":1})", R"({"s":"]},{"})", "null"}));
  EXPECT_EQ(raw_trades(R"({"type":"trade","data":[]})"), Elements{});
}

TEST(RawTrades, OfAListThatComesTwiceTheLastOneCounts) {
  EXPECT_EQ(raw_trades(R"({"data":[1,2],"type":"trade","data":[3]})"), (Elements{"3"}));
}

TEST(RawTrades, OtherListsAndTextsAreNotTaken) {
  EXPECT_EQ(raw_trades(R"({"x":"data","y":[1],"z":{"data":[2]},"data":[3],"w":[["data",4]],"type":"trade"})"),
            (Elements{"3"}));
}

TEST(RawTrades, AreFoundBehindAKeyWithEscapedLetters) {
  EXPECT_EQ(raw_trades(R"({"d\u0061t\u0061":[1,2],"type":"trade"})"), (Elements{"1", "2"}));
  EXPECT_EQ(raw_trades(R"({"data":[1],"dat\u0062":[2],"data\u0061":[3],"type":"trade"})"), (Elements{"1"}));
}

}  // namespace
}  // namespace finpipe
