#include "telemetry/process_figures.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <system_error>

namespace finpipe {
namespace {

std::string text_of(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::int64_t count_fds() {
  std::error_code error;
  std::int64_t count = 0;
  for (std::filesystem::directory_iterator at("/proc/self/fd", error), end; !error && at != end; at.increment(error))
    ++count;
  return count - 1;  // the directory itself was open
}

// Seconds since 1970 at which the machine was started; nullopt when /proc/stat does not say.
std::optional<double> boot_time() {
  const std::string text = text_of("/proc/stat");
  const std::size_t at = text.find("\nbtime ");
  if (at == std::string::npos) return std::nullopt;
  return std::stod(text.substr(at + 7));
}

}  // namespace

std::optional<ProcessFigures> process_figures() {
  // proc(5): the name in parentheses may hold anything; behind it field 3 is the state, 14 and 15 are the user and
  // system ticks, 22 is the start in ticks since boot and 24 the resident pages.
  const std::string stat = text_of("/proc/self/stat");
  const std::size_t name_end = stat.rfind(')');
  const auto booted = boot_time();
  if (name_end == std::string::npos || !booted) return std::nullopt;
  std::istringstream fields(stat.substr(name_end + 1));
  std::string skipped;
  const auto skip = [&](int count) {
    for (int i = 0; i < count; ++i) fields >> skipped;
  };
  double user = 0, system = 0, start = 0;
  std::int64_t pages = 0;
  skip(11);
  fields >> user >> system;
  skip(6);
  fields >> start;
  skip(1);
  fields >> pages;
  if (!fields) return std::nullopt;
  const auto ticks_per_second = static_cast<double>(sysconf(_SC_CLK_TCK));
  return ProcessFigures{.resident_bytes = pages * sysconf(_SC_PAGESIZE),
                        .open_fds = count_fds(),
                        .cpu_seconds = (user + system) / ticks_per_second,
                        .start_time_seconds = *booted + start / ticks_per_second};
}

}  // namespace finpipe
