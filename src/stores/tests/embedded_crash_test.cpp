// What is left of a store whose process was killed, or whose disk was full. The process is this program again, started
// with the name of a test that runs in no other way; it reports through file descriptor 3.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "base/random.h"
#include "stores/embedded_store.h"
#include "stores/tests/store_files.h"

namespace finpipe {
namespace {

constexpr int kReportDescriptor = 3;
constexpr const char* kDirectoryVariable = "FINPIPE_STORE_CHILD_DIRECTORY";

class Child {
 public:
  Child(const std::string& test, const std::filesystem::path& directory) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) std::abort();
    report_ = ends[0];
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], kReportDescriptor);
    std::string filter = "--gtest_filter=EmbeddedStoreChild.DISABLED_" + test;
    std::string disabled = "--gtest_also_run_disabled_tests";
    std::string brief = "--gtest_brief=1";
    std::string name = "child";
    char* arguments[] = {name.data(), filter.data(), disabled.data(), brief.data(), nullptr};
    setenv(kDirectoryVariable, directory.c_str(), 1);
    if (posix_spawn(&id_, "/proc/self/exe", &actions, nullptr, arguments, environ) != 0) std::abort();
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
  }
  ~Child() {
    if (id_ > 0) kill_and_wait();
    close(report_);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // Up to `bytes` of what the child reports; fewer when it has ended.
  std::string read_report(std::size_t bytes) {
    std::string text(bytes, '\0');
    std::size_t have = 0;
    while (have < bytes) {
      const ssize_t got = read(report_, text.data() + have, bytes - have);
      if (got <= 0) break;
      have += static_cast<std::size_t>(got);
    }
    text.resize(have);
    return text;
  }
  void kill_and_wait() {
    kill(id_, SIGKILL);
    waitpid(id_, nullptr, 0);
    id_ = 0;
  }

 private:
  pid_t id_ = 0;
  int report_ = -1;
};

void report(std::string_view text) {
  if (write(kReportDescriptor, text.data(), text.size()) != static_cast<ssize_t>(text.size())) std::abort();
}

const char* child_directory() {
  const char* directory = std::getenv(kDirectoryVariable);
  return directory != nullptr ? directory : "/nonexistent";
}

// Goes on where the checkpoint is; reports one byte for each commit that is done.
TEST(EmbeddedStoreChild, DISABLED_CommitsUntilItIsKilled) {
  auto store = EmbeddedStore::open(child_directory());
  ASSERT_TRUE(store) << store.error().message();
  const auto checkpoint = (*store)->load_checkpoint(0);
  ASSERT_TRUE(checkpoint);
  for (std::int64_t begin = *checkpoint ? (*checkpoint)->offset : 0;; begin += kCommitTicks) {
    static_cast<void>((*store)->submit(commit_at(begin)));
    ASSERT_TRUE((*store)->poll());
    report(".");
  }
}

TEST(EmbeddedStoreCrash, AKilledOwnerLeavesWholeCommitsAndAllThatWereDone) {
  const TemporaryDirectory directory;
  Random random(20'240'808);
  std::int64_t before = 0;
  for (int round = 0; round < 20; ++round) {
    std::size_t done = 1 + random.below(40);
    Child child("CommitsUntilItIsKilled", directory.path());
    ASSERT_EQ(child.read_report(done).size(), done);
    // A further moment, shorter than a commit: the kill may find the child anywhere in it.
    for (std::uint64_t spin = random.below(400'000); spin > 0; --spin) static_cast<void>(random.next());
    child.kill_and_wait();
    done += child.read_report(1 << 20).size();
    auto store = EmbeddedStore::open(directory.path());
    ASSERT_TRUE(store) << store.error().message();
    const std::int64_t end = expect_whole_commits(**store);
    ASSERT_GE(end, before + static_cast<std::int64_t>(done) * kCommitTicks) << "round " << round;
    ASSERT_LE(end, before + static_cast<std::int64_t>(done + 1) * kCommitTicks) << "round " << round;
    before = end;
  }
}

TEST(EmbeddedStoreCrash, AnOwnerInAnotherProcessIsRespectedAndMayBeReadBeside) {
  const TemporaryDirectory directory;
  Child child("CommitsUntilItIsKilled", directory.path());
  ASSERT_EQ(child.read_report(3).size(), 3U);
  const auto second = EmbeddedStore::open(directory.path());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kDirectoryInUse);
  auto reader = EmbeddedStore::open(directory.path(), {.read_only = true});
  ASSERT_TRUE(reader) << reader.error().message();
  EXPECT_GE(expect_whole_commits(**reader), 3 * kCommitTicks);
}

std::string outcome(const Result<void>& result) {
  return result ? "ok" : std::string(error_info(result.error().code).name);
}

Result<void> commit_until_refused(std::int64_t& done) {
  FINPIPE_TRY_ASSIGN(store, EmbeddedStore::open(child_directory()));
  for (;; done += kCommitTicks) {
    static_cast<void>(store->submit(commit_at(done)));
    FINPIPE_TRY(store->poll());
  }
}

Result<void> read_back(std::int64_t expected) {
  FINPIPE_TRY_ASSIGN(store, EmbeddedStore::open(child_directory()));
  return expect_whole_commits(*store) >= expected ? Result<void>() : fail(ErrorCode::kCorrupt, "commits are missing");
}

// A small disk of its own: fills it, makes it read-only, makes it larger, and reports what the store said to each.
TEST(EmbeddedStoreChild, DISABLED_FillsASmallDisk) {
  const char* directory = child_directory();
  if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      mount("tmpfs", directory, "tmpfs", 0, "size=24m") != 0)
    return report("no disk");
  const auto remount = [directory](unsigned long flags, const char* size) {
    if (mount("tmpfs", directory, "tmpfs", MS_REMOUNT | flags, size) != 0) std::abort();
  };
  std::int64_t done = 0;
  report(outcome(commit_until_refused(done)) + " ");
  remount(MS_RDONLY, "size=24m");
  report(outcome(read_back(done)) + " ");
  remount(0, "size=96m");
  report(outcome(read_back(done)) + (done > 0 ? " some" : " none"));
}

TEST(EmbeddedStoreCrash, AFullOrReadOnlyDiskIsSaidAndLosesNothing) {
  const TemporaryDirectory directory;
  Child child("FillsASmallDisk", directory.path());
  const std::string said = child.read_report(1'000);
  if (said == "no disk") GTEST_SKIP() << "making a small disk needs CAP_SYS_ADMIN";
  EXPECT_EQ(said, "disk_full read_only ok some");
}

}  // namespace
}  // namespace finpipe
