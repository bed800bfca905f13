// What operators read: one line an event on standard error, as text or as JSON, with named values beside the message.
// Messages and values never hold secrets. Before init_logging everything from `info` on is printed as text.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace finpipe {

enum class LogLevel : std::uint8_t { kInfo, kWarn, kError };
enum class LogFormat : std::uint8_t { kText, kJson };

struct LogField {
  std::string_view name;
  std::string value;
};

// What is below `level` is not printed. To be called before other threads log.
void init_logging(LogLevel level, LogFormat format);

void log_info(std::string_view message, std::initializer_list<LogField> fields = {});
void log_warn(std::string_view message, std::initializer_list<LogField> fields = {});
void log_error(std::string_view message, std::initializer_list<LogField> fields = {});

// The part of a line behind time and level: `message name=value name="two words"`.
[[nodiscard]] std::string log_text(std::string_view message, std::initializer_list<LogField> fields);
// The same as members of a JSON object, without its braces. Bytes that are not printable ASCII are escaped.
[[nodiscard]] std::string log_json(std::string_view message, std::initializer_list<LogField> fields);

}  // namespace finpipe
