// An Avro schema as somebody else wrote it: what a registry or a file gives, read at run time. Our own schemas are
// known at compile time (avro_codegen.py); this is for telling whether another one says the same, and else what
// differs. Supported is all of Avro 1.11 but aliases, which only a reader's schema uses and ours has none of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace finpipe::avro {

enum class TypeKind : std::uint8_t {
  kNull,
  kBoolean,
  kInt,
  kLong,
  kFloat,
  kDouble,
  kBytes,
  kString,  // the last one that needs nothing else
  kFixed,
  kEnum,
  kArray,
  kMap,
  kUnion,
  kRecord,
};
[[nodiscard]] std::string_view to_string(TypeKind kind);

using TypeIndex = std::size_t;  // of a type in its schema

struct SchemaField {
  std::string name;
  TypeIndex type = 0;
  std::optional<std::string> default_json{};
};

struct SchemaType {
  TypeKind kind = TypeKind::kNull;
  std::string name{};     // of a record, enum or fixed, with its namespace
  std::string logical{};  // what it counts, such as "decimal(19,9)" or "timestamp-millis"; empty: nothing that matters
  std::size_t size = 0;   // of a fixed
  std::vector<std::string> symbols{};  // of an enum
  std::optional<std::string> default_symbol{};
  std::vector<SchemaField> fields{};  // of a record
  std::vector<TypeIndex> parts{};     // the branches of a union, the item of an array or map
};

constexpr std::size_t kMaxSchemaBytes = std::size_t{128} << 10;  // of its text: ours have some thousands

// Without the namespace.
[[nodiscard]] std::string_view short_name(std::string_view full_name);

class Schema {
 public:
  // Error: kIncompatibleSchema saying why it is no Avro schema, or that it is too long.
  [[nodiscard]] static Result<Schema> parse(std::string_view json);

  [[nodiscard]] const SchemaType& at(TypeIndex index) const { return types_[index]; }
  [[nodiscard]] TypeIndex root() const { return root_; }
  // The name of the outermost type; empty when it has none.
  [[nodiscard]] const std::string& name() const { return types_[root_].name; }

  // The Parsing Canonical Form of a type, with the logical types that it leaves out: of two schemas with equal texts
  // the same bytes mean the same.
  [[nodiscard]] std::string meaning(TypeIndex index) const;
  [[nodiscard]] std::string meaning() const { return meaning(root_); }

 private:
  friend class SchemaParser;

  std::vector<SchemaType> types_;
  TypeIndex root_ = 0;
};

}  // namespace finpipe::avro
