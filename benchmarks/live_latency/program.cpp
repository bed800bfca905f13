#include "live_latency/program.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

namespace finpipe::live_latency {
namespace {

constexpr int kStopDeadlineMs = 10'000;

std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> plain_environment() {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (!std::string_view(*variable).starts_with("FIN")) variables.emplace_back(*variable);
  }
  return variables;
}

}  // namespace

Program::Program(const std::string& path, const std::filesystem::path& directory, std::uint16_t vendor_port,
                 std::span<const std::string> symbols, const std::string& log)
    : output_(directory / "output.txt") {
  std::filesystem::create_directories(directory);
  const std::string program = std::filesystem::absolute(path);
  std::vector<std::string> run = {program,     "run",
                                  "--feed",    fmt::format("ws://127.0.0.1:{}", vendor_port),
                                  "--symbols", fmt::format("{}", fmt::join(symbols, ",")),
                                  "--listen",  "127.0.0.1:0"};
  if (!log.empty()) {
    start({program, "check", "--create", "--log", log}, directory);
    ::waitpid(std::exchange(pid_, -1), nullptr, 0);  // what is wrong with the log `run` says as well
    run.insert(run.end(), {"--log", log, "--kafka-profile", "latency"});
  }
  start(std::move(run), directory);
}

void Program::start(std::vector<std::string> arguments, const std::filesystem::path& directory) {
  std::vector<std::string> variables = plain_environment();
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output_.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  posix_spawn_file_actions_addchdir_np(&actions, directory.c_str());
  const int error = posix_spawn(&pid_, arguments[0].c_str(), &actions, nullptr, pointers_to(arguments).data(),
                                pointers_to(variables).data());
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw std::runtime_error(fmt::format("{} cannot be started", arguments[0]));
}

Program::~Program() { stop(); }

bool Program::ended() const {
  siginfo_t info{};
  return pid_ < 0 ||
         (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid_);
}

std::optional<std::uint16_t> Program::api_port() const {
  constexpr std::string_view kBefore = "Page and API: http://127.0.0.1:";
  const std::string text = output();
  const std::size_t at = text.find(kBefore);
  if (at == std::string::npos) return std::nullopt;
  std::uint16_t port = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data() + at + kBefore.size(), end, port);
  if (error != std::errc{} || rest == end || *rest != '/') return std::nullopt;
  return port;
}

// proc(5): the name, which may have spaces, stands in parentheses; utime and stime are fields 14 and 15.
double Program::cpu_seconds() const {
  const std::string stat = read_text(fmt::format("/proc/{}/stat", pid_));
  const std::size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return 0;
  std::istringstream fields(stat.substr(name_end + 1));
  const std::vector<std::string> values{std::istream_iterator<std::string>(fields), {}};
  constexpr std::size_t kUserTime = 14 - 3;
  if (values.size() < kUserTime + 2) return 0;
  return (std::stod(values[kUserTime]) + std::stod(values[kUserTime + 1])) /
         static_cast<double>(::sysconf(_SC_CLK_TCK));
}

std::int64_t Program::resident_bytes() const {
  std::ifstream statm(fmt::format("/proc/{}/statm", pid_));
  std::int64_t size = 0;
  std::int64_t resident = 0;
  statm >> size >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

std::string Program::output() const { return read_text(output_); }

bool Program::stop() {
  if (pid_ < 0) return true;
  const auto handle = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));  // glibc's own is not for C++
  ::kill(pid_, SIGTERM);
  pollfd ended{.fd = handle, .events = POLLIN, .revents = 0};
  const bool in_time = ::poll(&ended, 1, kStopDeadlineMs) == 1;
  if (!in_time) ::kill(pid_, SIGKILL);
  int status = 0;
  ::waitpid(std::exchange(pid_, -1), &status, 0);
  ::close(handle);
  return in_time && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace finpipe::live_latency
