#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <string>

#include "endpoint/parameters.h"
#include "endpoint/stream.h"
#include "market/trade.h"
#include "net/http_server.h"

namespace finpipe {
namespace {

std::string bytes(std::size_t count) {
  return count < (1U << 20U) ? fmt::format("{} KiB", count >> 10U) : fmt::format("{} MiB", count >> 20U);
}
std::string seconds(std::int64_t ms) { return fmt::format("{} s", ms / 1'000); }
template <typename T>
std::string number(T count) {
  const auto whole = static_cast<std::int64_t>(count);
  return whole < 1'000 ? fmt::format("{}", whole) : fmt::format("{},{:03}", whole / 1'000, whole % 1'000);
}

std::map<std::string, std::string> limits_in_code() {
  const net::HttpServerOptions server;
  const StreamLimits stream;
  return {{"max_connections", number(server.max_connections)},
          {"max_header_bytes", bytes(server.max_header_bytes)},
          {"max_body_bytes", bytes(server.max_body_bytes)},
          {"max_message_bytes", bytes(server.max_message_bytes)},
          {"max_queued_bytes", bytes(server.max_queued_bytes)},
          {"request_timeout_ms", seconds(server.request_timeout_ms)},
          {"idle_timeout_ms", seconds(server.idle_timeout_ms)},
          {"write_timeout_ms", seconds(server.write_timeout_ms)},
          {"ping_interval_ms", seconds(server.ping_interval_ms)},
          {"queued_bytes", bytes(stream.queued_bytes)},
          {"subscriptions", number(stream.subscriptions)},
          {"message_bytes", bytes(stream.message_bytes)},
          {"held_trades", number(stream.held_trades)},
          {"waiting_trades", number(stream.waiting_trades)},
          {"held_rows", number(stream.held_rows)},
          {"message_rows", number(stream.message_rows)},
          {"messages_per_second", number(stream.messages_per_second) + " a second"},
          {"message_burst", number(stream.message_burst)},
          {"kMaxSnapshot", number(kMaxSnapshot)},
          {"kMaxLimit", number(kMaxLimit)},
          {"kMaxSymbolBytes", number(kMaxSymbolBytes)}};
}

TEST(LimitsPage, NamesEveryLimitWithTheNumberOfTheCodeAndATestThatExists) {
  const std::filesystem::path root = FINPIPE_SOURCE_DIR;
  std::ifstream page(root / "docs/limits.md");
  ASSERT_TRUE(page);
  // | what | number | beyond | `name` | `test` |
  const std::regex row(R"(\| [^|]+ \| ([^|]+) \| [^|]+ \| `([^|`]+)` \| `([^|`]+)` \|)");
  std::map<std::string, std::string> on_page;
  for (std::string line; std::getline(page, line);) {
    std::smatch found;
    if (!std::regex_match(line, found, row)) continue;
    on_page[found[2]] = found[1];
    EXPECT_TRUE(std::filesystem::exists(root / found[3].str())) << line;
  }
  EXPECT_EQ(on_page, limits_in_code());
}

}  // namespace
}  // namespace finpipe
