// The trades of the bundled tape as an endless series: 5,000 a second, each of the tape's two symbols spread over many.
// python_client.py makes the same ones.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "market/trade.h"

namespace finpipe::kafka_bench {

constexpr std::int64_t kStartMs = 1'764'167'400'000;
constexpr std::int64_t kLagMs = 80;

class Trades {
 public:
  // Ends the program when the tape cannot be read.
  Trades();

  // Borrows its symbol.
  [[nodiscard]] Trade at(std::int64_t number) const;

 private:
  std::vector<Trade> tape_;         // without text
  std::vector<std::string> names_;  // of the symbols; those of a place in the tape follow each other
  std::vector<std::size_t> first_name_;
};

}  // namespace finpipe::kafka_bench
