#include "feeds/secret_mask.h"

#include <gtest/gtest.h>

namespace finpipe {
namespace {

TEST(SecretMask, HidesTheSecretInEverySpelling) {
  const SecretMask mask("sk/Live+7=Q&w%Zz9 \"x");
  for (const char* spelling :
       {"sk/Live+7=Q&w%Zz9 \"x", "sk%2FLive%2B7%3DQ%26w%25Zz9%20%22x", "sk%2fLive%2b7%3dQ%26w%25Zz9+%22x",
        "sk/Live%2B7=Q&w%25Zz9 \"x", "sk\\/Live+7=Q&w%Zz9 \\\"x", "sk/Live\\u002b7=Q\\u0026w%Zz9 \\u0022x",
        "sk/Live+7=Q&amp;w%Zz9 &quot;x", "sk%252FLive%252B7=Q&w%25Zz9%2520%2522x",
        "sk\\\\/Live+7=Q\\\\u0026w%Zz9 \\\\\\\"x"}) {
    EXPECT_EQ(mask.mask(std::string("GET /?token=") + spelling + " HTTP/1.1"), "GET /?token=*** HTTP/1.1");
    EXPECT_EQ(mask.mask_data(std::string("{\"") + spelling + "\"}"), "{\"***\"}");
  }
}

TEST(SecretMask, HidesEachOfSeveral) {
  const SecretMask mask("0123456789");
  EXPECT_EQ(mask.mask("0123456789 and 01234567890123456789"), "*** and ******");
}

TEST(SecretMask, HidesABeginningInTextsAndNotInData) {
  const SecretMask mask("c1234567890abcdef");
  EXPECT_EQ(mask.mask("asked for c123456789"), "asked for ***");
  EXPECT_EQ(mask.mask("asked for c123456"), "asked for c123456");
  EXPECT_EQ(mask.mask_data(R"({"p":1,"s":"c1234567890"})"), std::nullopt);
}

TEST(SecretMask, ASecretThatLooksLikeAnEscapeIsHiddenRawAndEscaped) {
  const SecretMask mask("%25%41\\u0041");
  EXPECT_EQ(mask.mask("<%25%41\\u0041>"), "<***>");
  EXPECT_EQ(mask.mask("<%2525%2541%5Cu0041>"), "<***>");
  EXPECT_EQ(mask.mask(R"(<%25%41\\u0041>)"), "<***>");
}

TEST(SecretMask, WithoutASecretOrWithAShortOneDataStaysAsItIs) {
  EXPECT_EQ(SecretMask("").mask("text"), "text");
  EXPECT_EQ(SecretMask("").mask_data("text"), std::nullopt);
  EXPECT_EQ(SecretMask("demo").mask_data("demo"), std::nullopt);
  EXPECT_EQ(SecretMask("demo").mask("a demo of dem"), "a *** of dem");
}

TEST(SecretMask, TextsThatAreMadeToBeSlowAreNot) {
  const SecretMask mask("a\\\\\\\\\\\\\\%25%25%25%25b");
  for (const std::string_view piece : {"\\", "%25", "a\\\\\\\\", "&amp;", "\\u005c"}) {
    std::string text = "b";
    while (text.size() < 1'000'000) text += piece;
    EXPECT_EQ(mask.mask_data(text), std::nullopt);
  }
}

TEST(SecretMask, ASecretWithoutPlainPartIsFound) {
  EXPECT_EQ(SecretMask("++//==&&").mask_data("%2B%2B//%3D%3D&&"), "***");
}

}  // namespace
}  // namespace finpipe
