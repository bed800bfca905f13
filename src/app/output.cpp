#include "app/output.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

namespace finpipe {
namespace {

constexpr std::size_t kWriteBytes = std::size_t{256} << 10;

std::unexpected<Error> system_error(const std::string& name, int number) {
  const std::string detail = fmt::format("{}: {}", name, std::strerror(number));
  switch (number) {
    case ENOENT: return fail(ErrorCode::kNotFound, detail);
    case ENOSPC:
    case EDQUOT: return fail(ErrorCode::kDiskFull, detail);
    case EACCES:
    case EPERM:
    case EROFS: return fail(ErrorCode::kReadOnly, detail);
    default: return fail(ErrorCode::kIo, detail);
  }
}

}  // namespace

Result<Output> Output::open(const std::string& path) {
  Output output;
  output.name_ = path.empty() ? "standard output" : path;
  if (path.empty()) return output;
  output.owned_.reset(std::fopen(path.c_str(), "wb"));
  if (!output.owned_) return system_error(path, errno);
  return output;
}

Result<void> Output::write(std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), file()) != text.size()) return system_error(name_, errno);
  text.clear();
  return {};
}

Result<void> Output::write_gathered(std::string& text) {
  return text.size() < kWriteBytes ? Result<void>() : write(text);
}

Result<void> Output::finish(std::string& text) {
  FINPIPE_TRY(write(text));
  if (std::fflush(file()) != 0) return system_error(name_, errno);
  if (owned_ && std::fclose(owned_.release()) != 0) return system_error(name_, errno);
  return {};
}

}  // namespace finpipe
