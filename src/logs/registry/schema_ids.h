// What a registry has said, kept in a file, so that a start does not need it again: a registry's ids are never given to
// something else. One file for each registry (its URL) in a directory, replaced as a whole and checked as a whole; a
// damaged one counts as none.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace finpipe {

class SchemaIds {
 public:
  // `directory` is made when needed; empty: nothing is kept. `url` is without user and password.
  SchemaIds(std::string directory, std::string url);

  // Reads the file when there is a good one.
  void load();
  // Error: kIo, kReadOnly or kDiskFull.
  [[nodiscard]] Result<void> save() const;

  // The id of a schema under a subject.
  [[nodiscard]] std::optional<std::uint32_t> id_of(std::string_view subject, std::string_view schema) const;
  void set_id(std::string_view subject, std::string_view schema, std::uint32_t id);
  // The newest id of another schema under the subject.
  [[nodiscard]] std::optional<std::uint32_t> other_id_of(std::string_view subject, std::string_view schema) const;
  // Whether the id is that of another schema.
  [[nodiscard]] bool is_of_another(std::uint32_t id, std::string_view schema) const;
  // The text of a foreign schema, of at most kMaxSchemaBytes: a longer one is not kept.
  [[nodiscard]] const std::string* text_of(std::uint32_t id) const;
  void set_text(std::uint32_t id, std::string text);

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  [[nodiscard]] std::string content() const;
  [[nodiscard]] bool read(std::string_view content);

  std::string directory_;
  std::string url_;
  std::string path_;
  std::map<std::pair<std::string, std::string>, std::uint32_t> ids_;  // by subject and the schema's SHA-256
  std::map<std::uint32_t, std::string> texts_;
};

}  // namespace finpipe
