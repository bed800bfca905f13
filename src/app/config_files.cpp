#include "app/config_files.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <system_error>

namespace finpipe {
namespace {

constexpr std::string_view kOwnPrefix = "FINPIPE_";
constexpr std::string_view kSpace = " \t\r";

std::unexpected<Error> bad_line(std::string_view file, std::size_t line, std::string_view what) {
  return fail(ErrorCode::kBadConfigFile, fmt::format("{}:{}: {}", file, line, what));
}

// nullopt: there is no such file.
Result<std::optional<std::string>> read_file(const std::filesystem::path& path) {
  std::error_code error;
  const bool exists = std::filesystem::exists(path, error);
  if (error) return fail(ErrorCode::kBadConfigFile, fmt::format("{}: {}", path.string(), error.message()));
  if (!exists) return std::nullopt;
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file.is_open() || file.bad() || std::filesystem::is_directory(path, error)) {
    return fail(ErrorCode::kBadConfigFile, fmt::format("{}: it cannot be read", path.string()));
  }
  return text;
}

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

// nullopt: a quote without its end, or something behind it.
std::optional<std::string_view> dotenv_value(std::string_view text) {
  text = trimmed(text);
  if (!text.empty() && (text[0] == '"' || text[0] == '\'')) {
    const std::size_t end = text.find(text[0], 1);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view rest = trimmed(text.substr(end + 1));
    if (!rest.empty() && rest[0] != '#') return std::nullopt;
    return text.substr(1, end - 1);
  }
  if (!text.empty() && text[0] == '#') return std::string_view();
  return trimmed(text.substr(0, text.find(" #")));
}

// The text that a flag would have had. nullopt: the node cannot be a value of this setting.
std::optional<std::string> toml_value(const SettingInfo& info, const toml::node& node) {
  if (info.type == SettingType::kInteger) {
    const auto value = node.value_exact<std::int64_t>();
    return value ? std::optional(fmt::to_string(*value)) : std::nullopt;
  }
  if (info.type == SettingType::kNumber) {
    const auto value = node.value<double>();
    return value ? std::optional(fmt::to_string(*value)) : std::nullopt;
  }
  if (info.type == SettingType::kFlag) {
    const auto value = node.value_exact<bool>();
    return value ? std::optional<std::string>(*value ? "true" : "false") : std::nullopt;
  }
  const toml::array* array = node.as_array();
  if (info.type != SettingType::kList || array == nullptr) return node.value_exact<std::string>();
  std::vector<std::string> items;
  for (const toml::node& item : *array) {
    const auto text = item.value_exact<std::string>();
    if (!text) return std::nullopt;
    items.push_back(*text);
  }
  return fmt::format("{}", fmt::join(items, ","));
}

std::string_view toml_form(SettingType type) {
  switch (type) {
    case SettingType::kInteger: return "an integer";
    case SettingType::kNumber: return "a number";
    case SettingType::kFlag: return "true or false";
    case SettingType::kList: return "a list of strings";
    default: return "a string";
  }
}

}  // namespace

Result<std::vector<FileValue>> read_dotenv(const std::filesystem::path& directory) {
  constexpr std::string_view kFile = ".env";
  std::vector<FileValue> values;
  FINPIPE_TRY_ASSIGN(text, read_file(directory / kFile));
  if (!text) return values;
  std::size_t number = 0;
  for (std::string_view rest = *text; !rest.empty();) {
    const std::size_t end = rest.find('\n');
    std::string_view line = trimmed(rest.substr(0, end));
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    ++number;
    if (line.empty() || line[0] == '#') continue;
    if (line.starts_with("export ")) line = trimmed(line.substr(7));
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) return bad_line(kFile, number, "is not NAME=VALUE");
    const std::string_view name = trimmed(line.substr(0, equals));
    const auto info = std::ranges::find(setting_table(), name, &SettingInfo::environment);
    if (info == setting_table().end()) {
      if (!name.starts_with(kOwnPrefix)) continue;
      return bad_line(kFile, number, fmt::format("{} is no setting", name));
    }
    const auto value = dotenv_value(line.substr(equals + 1));
    if (!value) return bad_line(kFile, number, fmt::format("{} has a broken quote", name));
    if (!value->empty()) values.push_back({info->setting, {std::string(*value), fmt::format("{}:{}", kFile, number)}});
  }
  return values;
}

Result<std::vector<FileValue>> read_toml(const std::filesystem::path& directory, const std::string& path,
                                         bool may_be_missing) {
  std::vector<FileValue> values;
  FINPIPE_TRY_ASSIGN(text, read_file(directory / path));
  if (!text && may_be_missing) return values;
  if (!text) return fail(ErrorCode::kBadConfigFile, fmt::format("{}: there is no such file", path));
  toml::table table;
  try {
    table = toml::parse(*text, path);
  } catch (const toml::parse_error& error) {
    return bad_line(path, error.source().begin.line, error.description());
  }
  for (const auto& [key, node] : table) {
    const std::size_t line = node.source().begin.line;
    const auto info = std::ranges::find(setting_table(), key.str(), &SettingInfo::name);
    if (info == setting_table().end() || info->setting == Setting::kConfig) {
      return bad_line(path, line, fmt::format("{} is no setting", key.str()));
    }
    auto value = toml_value(*info, node);
    if (!value) return bad_line(path, line, fmt::format("{} must be {}", info->name, toml_form(info->type)));
    values.push_back({info->setting, {*std::move(value), fmt::format("{}:{}", path, line)}});
  }
  return values;
}

}  // namespace finpipe
