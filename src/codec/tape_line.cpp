#include "codec/tape_line.h"

#include <charconv>
#include <cstddef>
#include <system_error>

#include "base/time.h"

namespace finpipe {
namespace {

constexpr std::int64_t kFirstStampNs = kYear2000Ms * kNsPerMs;
constexpr std::int64_t kLastStampNs = 9'000'000'000 * kNsPerSecond;  // in 2255: some time can still be added

}  // namespace

TapeLine read_tape_line(std::string_view line) {
  const char first = line.front();
  if (first != '-' && first != '+' && (first < '0' || first > '9')) return {std::nullopt, line};
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
  const auto length = static_cast<std::size_t>(end - line.data());
  const bool in_range = error == std::errc{} && value >= kFirstStampNs && value <= kLastStampNs;
  if (!in_range || length + 1 >= line.size() || line[length] != ' ') return {std::nullopt, line, true};
  return {value, line.substr(length + 1)};
}

}  // namespace finpipe
