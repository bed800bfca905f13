#include "telemetry/log.h"

#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <algorithm>
#include <iterator>
#include <memory>

#include "base/utf8.h"

namespace finpipe {
namespace {

struct Front {
  spdlog::logger logger{"finpipe", std::make_shared<spdlog::sinks::stderr_sink_mt>()};
  LogFormat format = LogFormat::kText;

  void set_format(LogFormat wanted) {
    format = wanted;
    // %v is what log_text or log_json made; times are UTC.
    const char* pattern = format == LogFormat::kJson ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})"
                                                     : "%Y-%m-%dT%H:%M:%S.%eZ %-7l %v";
    logger.set_pattern(pattern, spdlog::pattern_time_type::utc);
  }

  Front() {
    logger.flush_on(spdlog::level::info);
    set_format(format);
  }
};

Front& front() {
  static Front instance;
  return instance;
}

void write(spdlog::level::level_enum level, std::string_view message, std::initializer_list<LogField> fields) {
  Front& to = front();
  if (!to.logger.should_log(level)) return;
  const std::string line = to.format == LogFormat::kJson ? log_json(message, fields) : log_text(message, fields);
  to.logger.log(level, spdlog::string_view_t(line.data(), line.size()));
}

bool is_plain(char c) { return c > ' ' && c < '\x7f' && c != '"' && c != '\\' && c != '='; }

void append_escaped(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const char c = text.front();
    const std::size_t length = utf8_length(text);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (length == 0) {
      out += "\\ufffd";
    } else if (length > 1 || (c >= ' ' && c < '\x7f')) {
      out += text.substr(0, length);
    } else {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned char>(c));
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
}

}  // namespace

void init_logging(LogLevel level, LogFormat format) {
  switch (level) {
    case LogLevel::kInfo: front().logger.set_level(spdlog::level::info); break;
    case LogLevel::kWarn: front().logger.set_level(spdlog::level::warn); break;
    case LogLevel::kError: front().logger.set_level(spdlog::level::err); break;
  }
  front().set_format(format);
}

void log_info(std::string_view message, std::initializer_list<LogField> fields) {
  write(spdlog::level::info, message, fields);
}
void log_warn(std::string_view message, std::initializer_list<LogField> fields) {
  write(spdlog::level::warn, message, fields);
}
void log_error(std::string_view message, std::initializer_list<LogField> fields) {
  write(spdlog::level::err, message, fields);
}

std::string log_text(std::string_view message, std::initializer_list<LogField> fields) {
  std::string out(message);
  for (const LogField& field : fields) {
    out += ' ';
    out += field.name;
    out += '=';
    if (!field.value.empty() && std::ranges::all_of(field.value, is_plain)) {
      out += field.value;
    } else {
      out += '"';
      append_escaped(out, field.value);
      out += '"';
    }
  }
  return out;
}

std::string log_json(std::string_view message, std::initializer_list<LogField> fields) {
  std::string out = R"("message":")";
  append_escaped(out, message);
  out += '"';
  for (const LogField& field : fields) {
    out += ",\"";
    append_escaped(out, field.name);
    out += "\":\"";
    append_escaped(out, field.value);
    out += '"';
  }
  return out;
}

}  // namespace finpipe
