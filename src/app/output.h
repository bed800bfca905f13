// Where an export goes: a file, or standard output. Buffered; a full disk or a closed pipe is an error, not silence.
#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

namespace finpipe {

class Output {
 public:
  // An empty path: standard output. Errors: kNotFound, kReadOnly, kDiskFull, kIo.
  [[nodiscard]] static Result<Output> open(const std::string& path);

  // Writes `text` and empties it once enough has gathered there.
  [[nodiscard]] Result<void> write_gathered(std::string& text);
  // Writes `text` and everything before it; the file is complete after that.
  [[nodiscard]] Result<void> finish(std::string& text);

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  [[nodiscard]] Result<void> write(std::string& text);
  [[nodiscard]] std::FILE* file() const { return owned_ ? owned_.get() : stdout; }

  std::string name_;
  std::unique_ptr<std::FILE, Close> owned_;
};

}  // namespace finpipe
