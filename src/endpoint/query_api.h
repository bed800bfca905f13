// The reading half of docs/api.md: each function takes what stands behind '?' and gives the JSON of the answer.
// Errors: kBadRequest, and those of the store.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "endpoint/market_names.h"
#include "endpoint/parameters.h"
#include "pipeline/ports.h"

namespace finpipe {

class QueryApi {
 public:
  explicit QueryApi(Query& query) : query_(query), markets_(query) {}

  [[nodiscard]] Result<std::string> symbols(std::string_view query);
  [[nodiscard]] Result<std::string> bars(std::string_view query);
  [[nodiscard]] Result<std::string> trades(std::string_view query);
  [[nodiscard]] Result<std::string> gaps(std::string_view query);

 private:
  Query& query_;
  MarketNames markets_;
};

}  // namespace finpipe
