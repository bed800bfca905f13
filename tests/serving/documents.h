// Reading the endpoint's JSON in tests, with a parser that the program does not use.
#pragma once

#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace finpipe {

inline rapidjson::Document parse_json(std::string_view text) {
  rapidjson::Document document;
  document.Parse(text.data(), text.size());
  EXPECT_FALSE(document.HasParseError()) << text;
  return document;
}

inline std::string text_of(const rapidjson::Value& value) {
  return value.IsString() ? std::string(value.GetString(), value.GetStringLength()) : "no string";
}

// An integer member of each object of an array.
inline std::vector<std::int64_t> numbers(const rapidjson::Value& rows, const char* member) {
  std::vector<std::int64_t> numbers;
  for (const auto& row : rows.GetArray()) numbers.push_back(row[member].GetInt64());
  return numbers;
}

}  // namespace finpipe
