#include "logs/registry/schema_ids.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/hash.h"
#include "base/random.h"
#include "codec/avro_schema.h"
#include "codec/flat_json.h"

namespace finpipe {
namespace {

constexpr std::int64_t kFormat = 1;
constexpr std::size_t kMaxTexts = 64;                             // of foreign schemas
constexpr std::size_t kMaxLineBytes = 8 * avro::kMaxSchemaBytes;  // a character may take six

Error io_error(const std::string& path) {
  const int error = errno;
  const bool read_only = error == EACCES || error == EROFS || error == EPERM;
  return {error == ENOSPC ? ErrorCode::kDiskFull
          : read_only     ? ErrorCode::kReadOnly
                          : ErrorCode::kIo,
          fmt::format("{}: {}", path, std::strerror(error))};
}

bool write_whole(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return ::fsync(descriptor) == 0;
}

std::string in_quotes(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

}  // namespace

SchemaIds::SchemaIds(std::string directory, std::string url) : directory_(std::move(directory)), url_(std::move(url)) {
  if (!directory_.empty()) path_ = fmt::format("{}/schema-ids-{:.12}.jsonl", directory_, sha256_hex(url_));
}

void SchemaIds::load() {
  if (path_.empty()) return;
  std::ifstream file(path_, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (read(text)) return;
  ids_.clear();
  texts_.clear();
}

// One JSON object a line: what it is; the ids; the texts; the hash of the lines before.
std::string SchemaIds::content() const {
  std::string out = fmt::format("{{\"format\":{},\"registry\":{}}}\n", kFormat, in_quotes(url_));
  for (const auto& [key, id] : ids_) {
    out += fmt::format("{{\"subject\":{},\"sha256\":\"{}\",\"id\":{}}}\n", in_quotes(key.first), key.second, id);
  }
  for (const auto& [id, text] : texts_) out += fmt::format("{{\"id\":{},\"schema\":{}}}\n", id, in_quotes(text));
  return out + fmt::format("{{\"end\":\"{}\"}}\n", sha256_hex(out));
}

bool SchemaIds::read(std::string_view content) {
  std::string_view rest = content;
  bool begun = false;
  while (!rest.empty()) {
    const std::size_t position = content.size() - rest.size();
    const std::size_t end = rest.find('\n');
    const auto line = FlatJson::parse(rest.substr(0, end), kMaxLineBytes);
    if (!line || end == std::string_view::npos) return false;
    rest.remove_prefix(end + 1);
    if (!begun) {
      begun = line->integer("format") == kFormat && line->string("registry") == url_;
      if (!begun) return false;
      continue;
    }
    if (line->has("end")) return rest.empty() && line->string("end") == sha256_hex(content.substr(0, position));
    const auto id = static_cast<std::uint32_t>(line->integer("id").value_or(0));
    if (const auto schema = line->string("schema")) {
      texts_.emplace(id, *schema);
    } else {
      ids_.insert_or_assign(
          {std::string(line->string("subject").value_or("")), std::string(line->string("sha256").value_or(""))}, id);
    }
  }
  return false;
}

Result<void> SchemaIds::save() const {
  if (path_.empty()) return {};
  std::error_code error;
  std::filesystem::create_directories(directory_, error);
  // Processes may share the directory: each renames a file of its own.
  const std::string temporary = fmt::format("{}.{:02x}", path_, fmt::join(random_id(), ""));
  const int descriptor = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (descriptor < 0) return fail(io_error(temporary));
  const bool written = write_whole(descriptor, content());
  Error why = io_error(temporary);
  ::close(descriptor);
  if (written && ::rename(temporary.c_str(), path_.c_str()) == 0) return {};
  if (written) why = io_error(path_);
  ::unlink(temporary.c_str());
  return fail(std::move(why));
}

std::optional<std::uint32_t> SchemaIds::id_of(std::string_view subject, std::string_view schema) const {
  const auto found = ids_.find({std::string(subject), sha256_hex(schema)});
  return found == ids_.end() ? std::nullopt : std::optional(found->second);
}

void SchemaIds::set_id(std::string_view subject, std::string_view schema, std::uint32_t id) {
  ids_.insert_or_assign({std::string(subject), sha256_hex(schema)}, id);
}

std::optional<std::uint32_t> SchemaIds::other_id_of(std::string_view subject, std::string_view schema) const {
  const std::string hash = sha256_hex(schema);
  std::optional<std::uint32_t> newest;
  for (const auto& [key, id] : ids_) {
    if (key.first == subject && key.second != hash) newest = std::max(newest.value_or(0), id);
  }
  return newest;
}

bool SchemaIds::is_of_another(std::uint32_t id, std::string_view schema) const {
  const std::string hash = sha256_hex(schema);
  return std::ranges::any_of(ids_, [&](const auto& each) { return each.second == id && each.first.second != hash; });
}

const std::string* SchemaIds::text_of(std::uint32_t id) const {
  const auto found = texts_.find(id);
  return found == texts_.end() ? nullptr : &found->second;
}

void SchemaIds::set_text(std::uint32_t id, std::string text) {
  if (text.size() > avro::kMaxSchemaBytes) return;
  if (texts_.size() == kMaxTexts) texts_.clear();
  texts_.insert_or_assign(id, std::move(text));
}

}  // namespace finpipe
