#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <variant>

#include "app/checks.h"
#include "app/progress.h"
#include "app/urls.h"
#include "base/time.h"
#include "net/tls.h"

namespace finpipe {
namespace {

// Too little is so much, or so large a share with less than the bytes beside it; the alerts have the same.
constexpr std::uint64_t kFullDiskBytes = std::uint64_t{32} << 20;  // databases write files of that size
constexpr std::uint64_t kLowDiskBytes = std::uint64_t{1} << 30;
constexpr std::uint64_t kEnoughDiskBytes = std::uint64_t{10} << 30;
constexpr double kFullDiskShare = 0.03, kLowDiskShare = 0.15;
constexpr rlim_t kEnoughFiles = 4'096;
constexpr std::int64_t kCertificateDays = 14;
constexpr std::int64_t kSecondsPerDay = 86'400;

// The nearest directory that exists: what is not there yet will be made inside it.
std::filesystem::path existing_parent(std::filesystem::path path) {
  std::error_code error;
  path = std::filesystem::absolute(path, error);
  while (!std::filesystem::exists(path, error) && path.has_relative_path()) path = path.parent_path();
  return path;
}

// False when it takes nothing.
bool check_volume(Findings& findings, const std::filesystem::path& existing, const std::string& directory) {
  struct statvfs volume{};
  if (statvfs(existing.c_str(), &volume) != 0) return true;
  if ((volume.f_flag & ST_RDONLY) != 0) return findings.fault(Finding::kDiskReadOnly, directory), false;
  const std::uint64_t free_bytes = std::uint64_t{volume.f_bavail} * volume.f_frsize;
  const std::string text =
      fmt::format("{} MiB free for {}", with_separators(static_cast<std::int64_t>(free_bytes >> 20)), directory);
  const double share = static_cast<double>(volume.f_bavail) / static_cast<double>(volume.f_blocks);
  const auto below = [&](std::uint64_t bytes, std::uint64_t bytes_of_share, double limit) {
    return free_bytes < bytes || (free_bytes < bytes_of_share && share < limit);
  };
  const bool no_files = volume.f_files != 0 && volume.f_favail == 0;
  if (below(kFullDiskBytes, kLowDiskBytes, kFullDiskShare) || no_files) {
    return findings.fault(Finding::kDiskFull, no_files ? text + ", but no inodes for further files" : text), false;
  } else if (below(kLowDiskBytes, kEnoughDiskBytes, kLowDiskShare)) {
    findings.warn(Finding::kDiskLow, text);
  } else {
    findings.ok("disk", text);
  }
  return true;
}

std::string command_of(pid_t process) {
  std::ifstream file(fmt::format("/proc/{}/cmdline", process), std::ios::binary);
  std::string words(std::istreambuf_iterator<char>(file), {});
  std::ranges::replace(words, '\0', ' ');
  constexpr std::size_t kMaxBytes = 60;  // program and subcommand
  words = words.substr(0, std::min(words.find(" -"), kMaxBytes));
  while (words.ends_with(' ')) words.pop_back();
  return words;
}

void check_certificate_file(Findings& findings, std::string_view what, const std::string& path, Clock& clock) {
  if (path.empty()) return;
  std::ifstream file(path, std::ios::binary);
  if (!file) return findings.fault("certificate", Error{ErrorCode::kNotFound, path});
  const auto not_after_s = net::not_after_s_of_pem(std::string(std::istreambuf_iterator<char>(file), {}));
  if (!not_after_s) return findings.fault("certificate", Error{ErrorCode::kBadCertificate, path});
  check_certificate(findings, fmt::format("{}, {}", what, path), *not_after_s, clock);
}

}  // namespace

bool check_directory(Findings& findings, std::string_view subject, const std::string& directory) {
  const std::filesystem::path existing = existing_parent(directory);
  const bool takes = check_volume(findings, existing, directory);
  // Somebody else's directory may be looked at, too.
  if (takes && access(existing.c_str(), W_OK | X_OK) != 0)
    findings.warn(subject, Error{ErrorCode::kReadOnly, existing.string()});
  std::error_code error;
  const bool there = std::filesystem::exists(directory, error) && !std::filesystem::is_empty(directory, error);
  if (!there) findings.ok(subject, fmt::format("{}: new, `finpipe run` will make it", directory));
  return there;
}

std::optional<std::string> owner_of(const std::string& directory) {
  const int file = open((directory + "/LOCK").c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0 && errno == EACCES) return fmt::format("somebody ({}/LOCK may not be read)", directory);
  if (file < 0) return std::nullopt;
  struct flock held{.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0, .l_pid = 0};
  const bool known = fcntl(file, F_GETLK, &held) == 0;
  close(file);
  if (!known || held.l_type == F_UNLCK) return std::nullopt;
  return fmt::format("process {} ({})", held.l_pid, command_of(held.l_pid));
}

std::optional<std::string> log_owner(const Settings& settings) {
  const auto url = parse_log_url(settings.log);
  const auto* const place = url ? std::get_if<DirectoryUrl>(&*url) : nullptr;
  return place != nullptr ? owner_of(place->directory) : std::nullopt;
}

void check_limits(Findings& findings) {
  struct rlimit files{};
  struct rlimit size{};
  // A service raises the first as far as it may.
  if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_max < kEnoughFiles)
    findings.warn(Finding::kLimitOpenFiles, fmt::format("at most {}", files.rlim_max));
  if (getrlimit(RLIMIT_FSIZE, &size) == 0 && size.rlim_cur != RLIM_INFINITY)
    findings.warn(Finding::kLimitFileSize, fmt::format("at most {} bytes", size.rlim_cur));
}

void check_certificate(Findings& findings, std::string_view what, std::int64_t not_after_s, Clock& clock) {
  const std::int64_t left_s = not_after_s - clock.wall_ns() / kNsPerSecond;
  const std::string text = fmt::format("{}: until {}", what, format_time_ms(not_after_s * kMsPerSecond));
  if (left_s <= 0) {
    findings.fault(Finding::kCertificateExpired, text);
  } else if (left_s < kCertificateDays * kSecondsPerDay) {
    findings.warn(Finding::kCertificateExpires, fmt::format("{}, {} days", text, left_s / kSecondsPerDay));
  } else {
    findings.ok("certificate", text);
  }
}

void check_certificate_files(Findings& findings, const Settings& settings, Clock& clock) {
  check_certificate_file(findings, "ours for the feed", settings.client_certificate, clock);
  check_certificate_file(findings, "ours for Kafka", settings.kafka.certificate_file, clock);
  check_certificate_file(findings, "ours for Cassandra", settings.cassandra.certificate_file, clock);
}

}  // namespace finpipe
