#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "app/commands.h"
#include "app/reference_pages.h"

namespace finpipe {
namespace {

void add_page(CLI::App& docs, CommandLine& line, const char* name, std::string (*page)()) {
  docs.add_subcommand(name, "Print this page as Markdown")->callback([&line, page] {
    line.command = [page](const SettingValues&, const Settings&) -> Result<int> {
      fmt::print("{}", page());
      return 0;
    };
  });
}

}  // namespace

void add_docs(CLI::App& program, CommandLine& line) {
  // For those who work on the program: no name in the help, but a help of its own.
  CLI::App* docs = program.add_subcommand("docs", "Print the pages of docs/reference")->group("");
  docs->require_subcommand(1);
  add_page(*docs, line, "settings", settings_page);
  add_page(*docs, line, "errors", errors_page);
  add_page(*docs, line, "metrics", metrics_page);
  add_page(*docs, line, "findings", findings_page);
  add_examples(
      *docs,
      {"finpipe docs settings > docs/reference/settings.md", "finpipe docs errors > docs/reference/errors.md",
       "finpipe docs metrics > docs/reference/metrics.md", "finpipe docs findings > docs/reference/findings.md"});
}

}  // namespace finpipe
