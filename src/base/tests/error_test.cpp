#include "base/error.h"

#include <gtest/gtest.h>

#include <cctype>
#include <set>
#include <string>

namespace finpipe {
namespace {

TEST(Errors, EveryRowHasItsOwnCodeAndNameACauseAndARemedy) {
  std::set<ErrorCode> codes;
  std::set<std::string_view> names;
  for (const ErrorInfo& info : error_table()) {
    EXPECT_TRUE(codes.insert(info.code).second) << info.name;
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
    EXPECT_FALSE(info.cause.empty()) << info.name;
    EXPECT_FALSE(info.remedy.empty()) << info.name;
    for (const char c : info.name) EXPECT_TRUE(std::islower(static_cast<unsigned char>(c)) || c == '_') << info.name;
    EXPECT_EQ(&error_info(info.code), &info);
  }
}

TEST(Errors, AMessageSaysCodeCauseDetailAndRemedyInOneLine) {
  const std::string message = Error{ErrorCode::kNotFound, "data/missing.tape"}.message();
  EXPECT_TRUE(message.starts_with("E200 not_found: ")) << message;
  EXPECT_NE(message.find("(data/missing.tape)"), std::string::npos) << message;
  EXPECT_NE(message.find(error_info(ErrorCode::kNotFound).remedy), std::string::npos) << message;
  EXPECT_EQ(message.find('\n'), std::string::npos);
  const Error without_detail{ErrorCode::kNotFound, ""};
  EXPECT_EQ(without_detail.message().find('('), std::string::npos);
}

}  // namespace
}  // namespace finpipe
