#include <gtest/gtest.h>

#include "app/checks.h"
#include "app/tests/temp_directory.h"
#include "stores/embedded_store.h"

namespace finpipe {
namespace {

std::string lines_of(const std::string& text, std::string_view begin) {
  std::string found;
  for (std::size_t at = 0; at < text.size();) {
    const std::string line = text.substr(at, text.find('\n', at) - at);
    if (line.starts_with(begin)) found += line + "\n";
    at += line.size() + 1;
  }
  return found;
}

TEST(CheckStore, TellsWhichAccountDoesNotBalance) {
  const TempDirectory directory;
  Settings settings;
  settings.store = "embedded:" + directory.path().string();
  Checkpoint checkpoint;
  checkpoint.ledger[{Writer::kLive, 7}] = {.received = 5, .appended = 5, .in_log = 5, .stored = 5};
  checkpoint.ledger[{Writer::kLive, 8}] = {.received = 9, .appended = 9, .in_log = 9, .stored = 8};
  {
    const auto store = EmbeddedStore::open(directory.path().string(), {});
    ASSERT_TRUE(store);
    Commit commit;
    commit.checkpoints.push_back(encode_checkpoint(checkpoint));
    const Store::Ticket ticket = (*store)->submit(std::move(commit));
    while (*(*store)->poll() < ticket) continue;
  }
  SystemClock clock;
  Findings findings(false);
  testing::internal::CaptureStdout();
  const StoreView view = check_store(findings, settings, false, clock);
  const std::string faults = lines_of(testing::internal::GetCapturedStdout(), "FAULT");
  EXPECT_EQ(view.checkpoints.size(), 1U);
  EXPECT_TRUE(findings.faulty("ledger"));
  EXPECT_TRUE(faults.starts_with("FAULT  ledger.unbalanced ")) << faults;
  EXPECT_NE(faults.find("session 8 of live: "), std::string::npos) << faults;
  EXPECT_EQ(faults.find("session 7"), std::string::npos) << faults;
}

TEST(Samples, AreSummedByMetricAndLabel) {
  const Samples samples = Samples::parse(
      "# HELP a of it\na{x=\"1\",y=\"2\"} 3\na{x=\"2\",y=\"2\"} 4e1\na_total 5\nb 6\nnonsense\nc NaNsense\n");
  EXPECT_EQ(samples.sum("a"), 43);
  EXPECT_EQ(samples.sum("a", "x=\"2\""), 40);
  EXPECT_EQ(samples.sum("a_total"), 5);
  EXPECT_EQ(samples.sum("b"), 6);
  EXPECT_EQ(samples.sum("none"), std::nullopt);
}

}  // namespace
}  // namespace finpipe
