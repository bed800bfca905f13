#include "logs/tests/child.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "base/random.h"
#include "logs/embedded_log.h"

extern char** environ;

namespace finpipe {
namespace {

constexpr const char* kVariable = "FINPIPE_LOG_CHILD";  // task, pipe, path
constexpr rlim_t kFileLimitBytes = rlim_t{300} << 10;
constexpr uid_t kNobody = 65534;

void report(int pipe, const ChildReport& one) {
  if (write(pipe, &one, sizeof one) != sizeof one) _exit(1);
}

void report(int pipe, ErrorCode code) { report(pipe, {.error = static_cast<std::int32_t>(code)}); }

void append_until_error(EmbeddedLog& log, int pipe) {
  LogWriter& writer = log.writer();
  const auto reader = log.reader();
  std::int64_t next[kChildPartitions];
  for (std::int32_t p = 0; p < kChildPartitions; ++p) next[p] = reader->range(p)->end;
  Random random(static_cast<std::uint64_t>(next[0]));
  while (true) {
    const auto partition = static_cast<std::int32_t>(random.below(kChildPartitions));
    std::vector<std::string> values(1 + random.below(300));
    std::vector<LogRecord> records;
    for (std::string& value : values) {
      value = child_value(partition, next[partition]++);
      records.push_back({RecordType::kTrade, "SYMBOL", value});
    }
    if (writer.append(partition, records) != LogWriter::Append::kAccepted) _exit(1);
    if (random.chance(0.3)) continue;
    const auto acknowledged = writer.poll();
    if (!acknowledged) return report(pipe, acknowledged.error().code);
    for (const auto& one : *acknowledged) report(pipe, {.partition = one.partition, .end = one.end});
  }
}

void run_child(ChildTask task, int pipe, const std::string& path) {
  if (task == ChildTask::kOpenUnprivileged && geteuid() == 0 && setuid(kNobody) != 0) _exit(1);
  if (task == ChildTask::kAppendLimited) {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{kFileLimitBytes, kFileLimitBytes};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(1);
  }
  auto log = EmbeddedLog::open(path, {});
  if (!log) return report(pipe, log.error().code);
  if (task == ChildTask::kAppend || task == ChildTask::kAppendLimited) append_until_error(**log, pipe);
}

// Runs before any test, and instead of them in a child.
class ChildEnvironment final : public testing::Environment {
 public:
  void SetUp() override {
    const char* variable = std::getenv(kVariable);
    if (variable == nullptr) return;
    const char* const end = variable + std::strlen(variable);
    int pipe = -1;
    const char* const path = std::from_chars(variable + 1, end, pipe).ptr + 1;
    run_child(static_cast<ChildTask>(*variable), pipe, path);
    _exit(0);
  }
};

[[maybe_unused]] const auto* const kEnvironment = testing::AddGlobalTestEnvironment(new ChildEnvironment);

}  // namespace

Child::Child(ChildTask task, const std::string& path) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  pipe_ = ends[0];
  const int child_end = ends[1] + 100;  // not closed by exec, and no other's number

  std::string variable = fmt::format("{}={}{} {}", kVariable, static_cast<char>(task), child_end, path);
  std::vector<char*> environment = {variable.data()};
  for (char** one = environ; *one != nullptr; ++one) environment.push_back(*one);
  environment.push_back(nullptr);
  std::string program = "logs_child";
  std::string quiet = "--gtest_brief=1";
  char* arguments[] = {program.data(), quiet.data(), nullptr};

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], child_end);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  const int error = posix_spawn(&pid_, "/proc/self/exe", &actions, nullptr, arguments, environment.data());
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  if (error != 0) throw std::runtime_error("no child process");
}

Child::~Child() {
  kill();
  close(pipe_);
}

std::optional<ChildReport> Child::next() {
  ChildReport one;
  return ::read(pipe_, &one, sizeof one) == sizeof one ? std::optional(one) : std::nullopt;
}

void Child::kill() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

std::optional<ErrorCode> only_error(Child& child) {
  const auto first = child.next();
  if (!first) return std::nullopt;
  EXPECT_FALSE(child.next());
  return static_cast<ErrorCode>(first->error);
}

std::string child_value(std::int32_t partition, std::int64_t offset) {
  Random random(static_cast<std::uint64_t>(offset * kChildPartitions + partition));
  return fmt::format("{}/{}/{}", partition, offset, std::string(random.below(200), 'v'));
}

}  // namespace finpipe
