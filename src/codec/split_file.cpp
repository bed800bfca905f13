#include "codec/split_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "base/decimal.h"
#include "base/time.h"
#include "codec/bundled_policies.h"
#include "market/trade.h"

namespace finpipe {
namespace {

constexpr std::string_view kHeader = "symbol,date,fromFactor,toFactor";
constexpr int kFactorDigits = 6;  // vendors state 1:1.5 where the company says 2:3
constexpr std::int64_t kMaxStated = 1'000'000;

std::unexpected<Error> wrong(std::string_view name, std::size_t line, std::string_view what) {
  return fail(ErrorCode::kBadPolicy, fmt::format("{}:{}: {}", name, line, what));
}

std::optional<std::int64_t> parse_date_ms(std::string_view text) {
  return text.size() == 10 && text[4] == '-' ? parse_time_ms(text) : std::nullopt;
}

// In millionths.
std::optional<std::int64_t> parse_factor(std::string_view text) {
  const auto parsed = parse_decimal(text, kFactorDigits);
  if (!parsed || parsed->rounded || parsed->value < 1 || parsed->value > kMaxStated * 1'000'000) return std::nullopt;
  return parsed->value;
}

Result<Split> parse_row(std::string_view row, std::string_view name, std::size_t line) {
  std::array<std::string_view, 4> fields;
  std::size_t count = 0;
  for (std::string_view rest = row;;) {
    const std::size_t comma = rest.find(',');
    if (count == fields.size()) return wrong(name, line, fmt::format("must have the fields {}", kHeader));
    fields[count++] = rest.substr(0, comma);
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  if (count != fields.size()) return wrong(name, line, fmt::format("must have the fields {}", kHeader));
  const std::string_view symbol = fields[0];
  const bool printable = std::ranges::all_of(symbol, [](char c) { return c >= ' ' && c < '\x7f' && c != '"'; });
  if (symbol.empty() || symbol.size() > kMaxSymbolBytes || symbol.front() == ' ' || symbol.back() == ' ' || !printable)
    return wrong(name, line, fmt::format("symbol must be 1 to {} printable ASCII characters", kMaxSymbolBytes));
  const auto date_ms = parse_date_ms(fields[1]);
  if (!date_ms) return wrong(name, line, "date must be a date, YYYY-MM-DD");
  const auto from = parse_factor(fields[2]);
  const auto to = parse_factor(fields[3]);
  if (!from || !to) {
    return wrong(name, line,
                 fmt::format("{} must be a number above 0 and up to {} with at most {} decimals",
                             from ? "toFactor" : "fromFactor", kMaxStated, kFactorDigits));
  }
  return Split{std::string(symbol), *date_ms, *from, *to};
}

}  // namespace

Result<SplitTable> parse_splits(std::string_view text, std::string_view name) {
  std::vector<Split> splits;
  bool header = false;
  for (std::size_t line = 1; !text.empty(); ++line) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view row = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (row.ends_with('\r')) row.remove_suffix(1);
    if (row.empty() || row.front() == '#') continue;
    if (std::exchange(header, true)) {
      FINPIPE_TRY_ASSIGN(split, parse_row(row, name, line));
      splits.push_back(std::move(split));
    } else if (row != kHeader) {
      return wrong(name, line, fmt::format("the first line must be {}", kHeader));
    }
  }
  if (!header) return wrong(name, 1, fmt::format("the first line must be {}", kHeader));
  auto table = SplitTable::make(std::move(splits));
  if (!table) return fail(ErrorCode::kBadPolicy, fmt::format("{}: {}", name, table.error().detail));
  return table;
}

Result<SplitTable> load_splits(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / kSplitFile;
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return bundled_splits();
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file) return fail(ErrorCode::kIo, path.string());
  return parse_splits(text, path.string());
}

Result<SplitTable> bundled_splits() { return parse_splits(kBundledSplits, kSplitFile); }

}  // namespace finpipe
