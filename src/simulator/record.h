// The simulator's record of what it did to whom: one JSON object a line, in the order in which it happened. Written to
// a file as it happens when there is one; the newest lines also stay in memory, within a bound.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace finpipe {

class SimulatorRecord {
 public:
  static constexpr std::size_t kMaxKeptBytes = std::size_t{4} << 20;

  // Appends to the file; empty: only memory. Error: kIo.
  [[nodiscard]] static Result<SimulatorRecord> open(const std::string& path);

  // `members` are JSON members behind the line's own `n` (from 1) and `at` (ns): "\"event\":\"open\",\"connection\":1".
  // In the file (not only in a buffer) when this returns.
  void write(std::int64_t at_ns, std::string_view members);

  // Lines with a number above `after`, as far as they are still kept.
  [[nodiscard]] std::string lines_after(std::int64_t after) const;
  [[nodiscard]] std::int64_t lines() const { return lines_; }
  // Whether a line could not be written to the file: the record is not the whole truth then.
  [[nodiscard]] bool damaged() const { return damaged_; }

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  explicit SimulatorRecord(std::unique_ptr<std::FILE, Close> file) : file_(std::move(file)) {}

  std::unique_ptr<std::FILE, Close> file_;
  std::int64_t lines_ = 0;
  std::deque<std::string> kept_;
  std::size_t kept_bytes_ = 0;
  bool damaged_ = false;
};

}  // namespace finpipe
