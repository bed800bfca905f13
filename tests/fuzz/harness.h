// What the fuzz targets share: reading the input as a script of decisions, telling of a difference, and the canary.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

namespace finpipe::fuzz {

// The input as decisions, read from the front. Past the end every decision is 0.
class Script {
 public:
  explicit Script(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

  [[nodiscard]] bool done() const { return bytes_.empty(); }

  [[nodiscard]] std::uint8_t byte() {
    if (bytes_.empty()) return 0;
    const std::uint8_t first = bytes_.front();
    bytes_ = bytes_.subspan(1);
    return first;
  }
  // 16 bits.
  [[nodiscard]] std::int64_t word() {
    const std::int64_t high = byte();
    return high * 256 + byte();
  }
  [[nodiscard]] bool flag() { return (byte() & 1U) != 0; }
  // 0 to n - 1, n at most 256.
  [[nodiscard]] std::size_t below(std::size_t n) { return byte() % n; }

  // What has not been read.
  [[nodiscard]] std::string_view rest() const { return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()}; }

 private:
  std::span<const std::uint8_t> bytes_;
};

// Says what is wrong and ends the program, for libFuzzer to keep the input.
[[noreturn]] inline void differ(std::string_view what) {
  fmt::print(stderr, "DIFFERENCE: {}\n", what);
  std::abort();
}

inline void require(bool holds, std::string_view what) {
  if (!holds) differ(what);
}

// 0, or the number of the fault that is planted to show that the target can fail.
inline int canary() {
  static const int number = [] {
    const char* text = std::getenv("FINPIPE_FUZZ_CANARY");
    return text == nullptr ? 0 : std::atoi(text);
  }();
  return number;
}

}  // namespace finpipe::fuzz
