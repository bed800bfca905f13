// The reading half of docs/api.md: each function takes what stands behind '?' and gives the JSON of the answer.
// Errors: kBadRequest, and those of the store.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "endpoint/parameters.h"
#include "market/splits.h"
#include "pipeline/ports.h"
#include "pipeline/stored_policies.h"

namespace finpipe {

class QueryApi {
 public:
  // `splits`: what `adjusted` reads are adjusted for.
  explicit QueryApi(Query& query, SplitTable splits = {})
      : query_(query), policies_(query), splits_(std::move(splits)) {}

  [[nodiscard]] Result<std::string> symbols(std::string_view query);
  [[nodiscard]] Result<std::string> bars(std::string_view query);
  [[nodiscard]] Result<std::string> revisions(std::string_view query);
  [[nodiscard]] Result<std::string> trades(std::string_view query);
  [[nodiscard]] Result<std::string> gaps(std::string_view query);
  [[nodiscard]] Result<std::string> voids(std::string_view query);

 private:
  Query& query_;
  StoredPolicies policies_;
  SplitTable splits_;
};

}  // namespace finpipe
