#include "app/reference_pages.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

#include "app/program.h"

namespace finpipe {
namespace {

std::string page_of(const std::string& name) {
  std::ifstream file(std::string(FINPIPE_SOURCE_DIR) + "/docs/reference/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(ReferencePages, SettingsPageIsWhatTheTableSays) {
  EXPECT_EQ(page_of("settings.md"), settings_page()) << "finpipe docs settings > docs/reference/settings.md";
}

TEST(ReferencePages, ErrorsPageIsWhatTheTableSays) {
  EXPECT_EQ(page_of("errors.md"), errors_page()) << "finpipe docs errors > docs/reference/errors.md";
}

TEST(ReferencePages, MetricsPageIsWhatTheTableSays) {
  EXPECT_EQ(page_of("metrics.md"), metrics_page()) << "finpipe docs metrics > docs/reference/metrics.md";
}

TEST(ReferencePages, EveryErrorHasAnExitCodeOfItsKind) {
  for (const ErrorInfo& info : error_table()) {
    const int number = static_cast<int>(info.code);
    EXPECT_EQ(exit_code_of(info.code), number < 200 ? 2 : number == 600 ? 3 : 1) << info.name;
  }
}

}  // namespace
}  // namespace finpipe
