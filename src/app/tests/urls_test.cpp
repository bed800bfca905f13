#include "app/urls.h"

#include <gtest/gtest.h>

namespace finpipe {
namespace {

std::string refusal(const Result<std::string>& result, ErrorCode code = ErrorCode::kBadUrl) {
  if (result) return "accepted";
  EXPECT_EQ(result.error().code, code);
  return result.error().detail;
}

TEST(Urls, APartIsNamedBySchemeAndPath) {
  EXPECT_EQ(*tape_path("tape:data/a b.tape"), "data/a b.tape");
  EXPECT_EQ(*tape_path("tape:/data/x:y"), "/data/x:y");
  EXPECT_EQ(*embedded_directory("log", "embedded:./log"), "./log");
  EXPECT_EQ(*embedded_directory("store", "embedded:C"), "C");
}

TEST(Urls, MalformedOnesSayWhatIsWrong) {
  EXPECT_EQ(refusal(tape_path("data/a.tape")), "feed 'data/a.tape': it must have the form tape:PATH");
  EXPECT_EQ(refusal(tape_path("tape:")), "feed 'tape:': the path is missing; it must have the form tape:PATH");
  EXPECT_EQ(refusal(tape_path("tape://a")), "feed 'tape://a': a path follows the colon directly: tape:PATH");
  EXPECT_EQ(refusal(tape_path("Tape:a")), "feed 'Tape:a': there is no 'Tape:'; it must have the form tape:PATH");
  EXPECT_EQ(refusal(embedded_directory("log", "rocksdb:a")),
            "log 'rocksdb:a': there is no 'rocksdb:'; it must have the form embedded:DIR");
  EXPECT_EQ(refusal(embedded_directory("store", "tape:a")),
            "store 'tape:a': there is no 'tape:'; it must have the form embedded:DIR");
}

TEST(Urls, WhatLaterVersionsHaveIsNamedAsSuch) {
  for (const char* url : {"finnhub:", "sim:", "wss://ws.finnhub.io"}) {
    EXPECT_NE(refusal(tape_path(url)).find("is not in this version, which has tape:PATH"), std::string::npos) << url;
  }
  EXPECT_NE(refusal(embedded_directory("log", "kafka://host:9092")).find("is not in this version"), std::string::npos);
  EXPECT_NE(refusal(embedded_directory("store", "cassandra://host:9042/ks")).find("is not in this version"),
            std::string::npos);
}

TEST(Urls, CredentialsAreNotRepeatedInMessages) {
  EXPECT_EQ(refusal(tape_path("wss://me:secret@host")).find("secret"), std::string::npos);
}

TEST(Urls, WithoutAFeedTheMessageNamesTheFlag) {
  EXPECT_EQ(refusal(tape_path(""), ErrorCode::kBadSetting), "no feed is set: give --feed tape:PATH");
}

}  // namespace
}  // namespace finpipe
