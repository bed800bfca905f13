// The test program started once more as a process of its own, which does one thing to a log and reports through a pipe
// what became of it: so that it can be killed, run out of space, or be another user.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace finpipe {

enum class ChildTask : char {
  kOpen = 'o',              // opens the log and reports the error, or nothing
  kOpenUnprivileged = 'u',  // the same as a user who may write nowhere
  kAppend = 'a',            // appends without end
  kAppendLimited = 'l',     // appends until no file may grow any more, and reports the error
};

struct ChildReport {
  std::int32_t partition = 0;
  std::int64_t end = 0;    // acknowledged, when error is 0
  std::int32_t error = 0;  // an ErrorCode, or 0
};

class Child {
 public:
  Child(ChildTask task, const std::string& path);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // The next report; nullopt when the child has ended and all were read.
  [[nodiscard]] std::optional<ChildReport> next();
  void kill();

 private:
  pid_t pid_ = -1;
  int pipe_ = -1;
};

// The error that the child's only report carries; nullopt when it reported none.
[[nodiscard]] std::optional<ErrorCode> only_error(Child& child);

// What a child appends at an offset.
constexpr std::int32_t kChildPartitions = 2;
[[nodiscard]] std::string child_value(std::int32_t partition, std::int64_t offset);

}  // namespace finpipe
