// Differences as verify finds them: all are counted, the first ones described. Private to verify.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/verify.h"

namespace finpipe {

class VerifyFindings {
 public:
  explicit VerifyFindings(std::size_t max_described) : max_described_(max_described) {}

  // What follows is of another symbol, or of none: so many more may be described.
  void begin_group() { described_ = 0; }

  template <typename... Args>
  void add(std::string_view kind, fmt::format_string<Args...> what, Args&&... args) {
    ++count_;
    if (described_++ < max_described_ && first_.size() < kMaxDescribed) {
      first_.push_back({std::string(kind), fmt::format(what, std::forward<Args>(args)...)});
    }
  }
  // A row or record that is there but cannot be read is a difference; any other error ends the verification.
  [[nodiscard]] Result<void> accept(const Result<void>& read, std::string_view kind, std::string_view consequence) {
    if (read) return {};
    if (read.error().code != ErrorCode::kCorrupt) return fail(read.error());
    add(kind, "{}; {}", read.error().detail, consequence);
    return {};
  }

  [[nodiscard]] std::int64_t count() const { return count_; }
  [[nodiscard]] std::vector<Difference> take() { return std::move(first_); }

 private:
  static constexpr std::size_t kMaxDescribed = 1'000;  // of all groups
  std::size_t max_described_;
  std::size_t described_ = 0;  // or counted beyond, of this group
  std::int64_t count_ = 0;
  std::vector<Difference> first_;
};

}  // namespace finpipe
