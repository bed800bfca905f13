#include "app/reference_pages.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <string>

#include "app/findings.h"
#include "app/program.h"
#include "app/settings.h"

namespace finpipe {
namespace {

std::string text_of(const std::string& path) {
  std::ifstream file(std::string(FINPIPE_SOURCE_DIR) + "/" + path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string page_of(const std::string& name) { return text_of("docs/reference/" + name); }

TEST(ReferencePages, SettingsPageIsWhatTheTableSays) {
  EXPECT_EQ(page_of("settings.md"), settings_page()) << "finpipe docs settings > docs/reference/settings.md";
}

TEST(ReferencePages, ErrorsPageIsWhatTheTableSays) {
  EXPECT_EQ(page_of("errors.md"), errors_page()) << "finpipe docs errors > docs/reference/errors.md";
}

TEST(ReferencePages, MetricsPageIsWhatTheTableSays) {
  EXPECT_EQ(page_of("metrics.md"), metrics_page()) << "finpipe docs metrics > docs/reference/metrics.md";
}

TEST(ReferencePages, TheExampleOfEnvNamesEverySettingOnceAndIsAsGoodAsNone) {
  std::map<std::string, int> named;
  std::istringstream lines(text_of(".env.example"));
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line.starts_with("# ")) continue;
    ASSERT_TRUE(line.starts_with('#')) << line << " is in force";
    ++named[line.substr(1, line.find('=') - 1)];
  }
  for (const SettingInfo& info : setting_table())
    EXPECT_EQ(named[std::string(info.environment)], 1) << info.environment;
  for (const auto& [name, count] : named) {
    const bool known = std::ranges::find(setting_table(), name, &SettingInfo::environment) != setting_table().end();
    EXPECT_TRUE(known || !name.starts_with("FINPIPE_")) << name;
  }
}

TEST(ReferencePages, FindingsPageIsWhatTheTableSays) {
  EXPECT_EQ(page_of("findings.md"), findings_page()) << "finpipe docs findings > docs/reference/findings.md";
}

TEST(ReferencePages, FindingsStandInTheirOrder) {
  for (const FindingInfo& info : finding_table()) EXPECT_EQ(finding_info(info.id).name, info.name);
}

TEST(ReferencePages, EveryErrorHasAnExitCodeOfItsKind) {
  for (const ErrorInfo& info : error_table()) {
    const int number = static_cast<int>(info.code);
    EXPECT_EQ(exit_code_of(info.code), number < 200 ? 2 : number == 600 ? 3 : 1) << info.name;
  }
}

}  // namespace
}  // namespace finpipe
