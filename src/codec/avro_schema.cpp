#include "codec/avro_schema.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <ranges>
#include <set>
#include <utility>

namespace finpipe::avro {

namespace dom = simdjson::dom;

namespace {

constexpr std::size_t kMaxDepth = 64;     // of the text
constexpr std::size_t kMaxTypes = 4'096;  // which may name each other in a chain as long
constexpr std::array<std::string_view, 14> kKindNames = {"null",   "boolean", "int",    "long",  "float",
                                                         "double", "bytes",   "string", "fixed", "enum",
                                                         "array",  "map",     "union",  "record"};

std::optional<TypeKind> primitive(std::string_view name) {
  const auto found = std::ranges::find(kKindNames, name);
  const auto index = static_cast<std::size_t>(found - kKindNames.begin());
  return index <= static_cast<std::size_t>(TypeKind::kString) ? std::optional(static_cast<TypeKind>(index))
                                                              : std::nullopt;
}

// Nothing that could pretend to be something else where meanings are compared. '-' stands in logical types.
bool is_name(std::string_view text) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
           c == '-';
  };
  return !text.empty() && std::ranges::all_of(text, fits);
}

std::optional<std::string_view> text_at(const dom::object& object, std::string_view key) {
  std::string_view text;
  return object[key].get(text) == simdjson::SUCCESS ? std::optional(text) : std::nullopt;
}

// What a number counts. Unknown logical types are none, as the specification has it.
std::string logical_of(TypeKind kind, const dom::object& object) {
  const auto logical = text_at(object, "logicalType");
  if (!logical) return {};
  if (*logical == "decimal" && (kind == TypeKind::kBytes || kind == TypeKind::kFixed)) {
    std::int64_t precision = 0;
    std::int64_t scale = 0;
    if (object["precision"].get(precision) != simdjson::SUCCESS) return {};
    if (object["scale"].get(scale) != simdjson::SUCCESS) scale = 0;
    return fmt::format("decimal({},{})", precision, scale);
  }
  const bool time =
      is_name(*logical) && (logical->starts_with("timestamp-") || logical->starts_with("local-timestamp-") ||
                            logical->starts_with("time-") || *logical == "date" || *logical == "duration");
  return time ? std::string(*logical) : std::string();
}

}  // namespace

std::string_view to_string(TypeKind kind) { return kKindNames[static_cast<std::size_t>(kind)]; }

std::string_view short_name(std::string_view full_name) { return full_name.substr(full_name.rfind('.') + 1); }

// Fails by the first reason that it notes; after that its results mean nothing.
class SchemaParser {
 public:
  Result<Schema> parse(std::string_view json) {
    if (json.size() > kMaxSchemaBytes) {
      return fail(ErrorCode::kIncompatibleSchema, fmt::format("a schema of {} bytes", json.size()));
    }
    dom::parser parser;
    dom::element root;
    auto error = parser.allocate(json.size() + 1, kMaxDepth);
    if (error == simdjson::SUCCESS) error = parser.parse(json.data(), json.size()).get(root);
    if (error != simdjson::SUCCESS) {
      // A lone name is a schema too, which registries give out without quotes.
      const auto kind = primitive(json);
      if (!kind) return fail(ErrorCode::kIncompatibleSchema, simdjson::error_message(error));
      schema_.types_.push_back({.kind = *kind});
      return std::move(schema_);
    }
    schema_.root_ = type(root, "");
    if (!refusal_.empty()) return fail(ErrorCode::kIncompatibleSchema, "no Avro schema: " + refusal_);
    return std::move(schema_);
  }

 private:
  TypeIndex refuse(std::string why) {
    if (refusal_.empty()) refusal_ = std::move(why);
    return 0;
  }
  TypeIndex add(SchemaType type) {
    if (schema_.types_.size() == kMaxTypes) return refuse("too many types");
    schema_.types_.push_back(std::move(type));
    return schema_.types_.size() - 1;
  }

  TypeIndex type(const dom::element& element, std::string_view space) {
    if (!refusal_.empty()) return 0;
    std::string_view name;
    if (element.get(name) == simdjson::SUCCESS) return named(name, space);
    dom::array branches;
    if (element.get(branches) == simdjson::SUCCESS) return union_of(branches, space);
    dom::object object;
    if (element.get(object) != simdjson::SUCCESS) return refuse("a type is neither name nor list nor object");
    const auto kind = text_at(object, "type");
    if (kind == "record" || kind == "error") return record(object, space);
    if (kind == "enum") return enumeration(object, space);
    if (kind == "fixed") return fixed(object, space);
    if (kind == "array" || kind == "map") {
      dom::element item;
      if (object[kind == "array" ? "items" : "values"].get(item) != simdjson::SUCCESS) return refuse("no item type");
      const TypeIndex part = type(item, space);
      return add({.kind = kind == "array" ? TypeKind::kArray : TypeKind::kMap, .parts = {part}});
    }
    if (const auto plain = kind ? primitive(*kind) : std::nullopt) {
      return add({.kind = *plain, .logical = logical_of(*plain, object)});
    }
    dom::element inner;
    if (object["type"].get(inner) != simdjson::SUCCESS) return refuse("a type without \"type\"");
    return type(inner, space);
  }

  TypeIndex named(std::string_view name, std::string_view space) {
    if (const auto kind = primitive(name)) return add({.kind = *kind});
    const auto found = known_.find(full_name(name, space));
    if (found != known_.end()) return found->second;
    return refuse(fmt::format("'{}' is not defined", is_name(name) ? name : "?"));
  }

  TypeIndex union_of(const dom::array& branches, std::string_view space) {
    SchemaType result{.kind = TypeKind::kUnion};
    std::set<std::string> seen;
    for (const dom::element branch : branches) {
      const TypeIndex part = type(branch, space);
      if (!refusal_.empty()) return 0;
      const SchemaType& item = schema_.at(part);
      if (item.kind == TypeKind::kUnion) return refuse("a union in a union");
      if (!seen.insert(item.name.empty() ? std::string(to_string(item.kind)) : item.name).second) {
        return refuse("a union has a branch twice");
      }
      result.parts.push_back(part);
    }
    return result.parts.empty() ? refuse("a union without branches") : add(std::move(result));
  }

  static std::string full_name(std::string_view name, std::string_view space) {
    return name.contains('.') || space.empty() ? std::string(name) : fmt::format("{}.{}", space, name);
  }

  // The type's place, which its own fields may name already.
  std::optional<TypeIndex> define(TypeKind kind, const dom::object& object, std::string_view space) {
    const auto name = text_at(object, "name");
    const std::string full = name ? full_name(*name, text_at(object, "namespace").value_or(space)) : std::string();
    const TypeIndex place = add({.kind = kind, .name = full});
    if (is_name(full) && known_.emplace(full, place).second) return place;
    refuse(fmt::format("a name is missing, bad or taken: '{}'", is_name(full) ? full : "?"));
    return std::nullopt;
  }

  TypeIndex record(const dom::object& object, std::string_view space) {
    const auto place = define(TypeKind::kRecord, object, space);
    dom::array entries;
    if (!place || object["fields"].get(entries) != simdjson::SUCCESS) return refuse("a record without \"fields\"");
    const std::string full = schema_.at(*place).name;
    const std::size_t dot = full.rfind('.');
    const std::string inner = dot == std::string::npos ? std::string() : full.substr(0, dot);
    std::vector<SchemaField> fields;
    for (const dom::element entry : entries) {
      dom::object member;
      dom::element kind;
      if (entry.get(member) != simdjson::SUCCESS || member["type"].get(kind) != simdjson::SUCCESS ||
          !is_name(text_at(member, "name").value_or(""))) {
        return refuse(fmt::format("{} has a field without name or type", full));
      }
      SchemaField& field = fields.emplace_back(SchemaField{.name = std::string(*text_at(member, "name"))});
      field.type = type(kind, inner);
      dom::element value;
      if (member["default"].get(value) == simdjson::SUCCESS) field.default_json = simdjson::minify(value);
      const auto same = [&](const SchemaField& other) { return other.name == field.name; };
      if (std::ranges::count_if(fields, same) > 1) return refuse(fmt::format("{}.{} comes twice", full, field.name));
    }
    schema_.types_[*place].fields = std::move(fields);
    return *place;
  }

  TypeIndex enumeration(const dom::object& object, std::string_view space) {
    const auto place = define(TypeKind::kEnum, object, space);
    dom::array symbols;
    if (!place || object["symbols"].get(symbols) != simdjson::SUCCESS) return refuse("an enum without \"symbols\"");
    SchemaType& result = schema_.types_[*place];
    for (const dom::element symbol : symbols) {
      std::string_view text;
      if (symbol.get(text) != simdjson::SUCCESS || !is_name(text)) return refuse("a symbol is no name");
      result.symbols.emplace_back(text);
    }
    if (const auto otherwise = text_at(object, "default")) result.default_symbol = std::string(*otherwise);
    return *place;
  }

  TypeIndex fixed(const dom::object& object, std::string_view space) {
    const auto place = define(TypeKind::kFixed, object, space);
    std::int64_t size = 0;
    if (!place || object["size"].get(size) != simdjson::SUCCESS || size < 0) return refuse("a fixed without \"size\"");
    SchemaType& result = schema_.types_[*place];
    result.size = static_cast<std::size_t>(size);
    result.logical = logical_of(TypeKind::kFixed, object);
    return *place;
  }

  Schema schema_;
  std::map<std::string, TypeIndex> known_;
  std::string refusal_;
};

Result<Schema> Schema::parse(std::string_view json) { return SchemaParser().parse(json); }

namespace {

class MeaningWriter {
 public:
  explicit MeaningWriter(const Schema& schema) : schema_(schema) {}

  void write(TypeIndex index) {
    const SchemaType& type = schema_.at(index);
    if (!type.name.empty() && !seen_.insert(type.name).second) return put("\"{}\"", type.name);
    if (type.name.empty() && type.parts.empty())
      return put("\"{}{}{}\"", to_string(type.kind), mark(type), type.logical);
    if (type.kind == TypeKind::kUnion) {
      out += '[';
      for (const TypeIndex part : type.parts) separate(), write(part);
      out += ']';
      return;
    }
    if (type.kind == TypeKind::kArray || type.kind == TypeKind::kMap) {
      put(R"({{"type":"{}","{}":)", to_string(type.kind), type.kind == TypeKind::kArray ? "items" : "values");
      write(type.parts[0]);
      out += '}';
      return;
    }
    put(R"({{"name":"{}","type":"{}")", type.name, to_string(type.kind));
    if (type.kind == TypeKind::kFixed) put(R"(,"size":{}{}{})", type.size, mark(type), type.logical);
    if (type.kind == TypeKind::kEnum) put(R"(,"symbols":["{}"])", fmt::join(type.symbols, "\",\""));
    if (type.kind == TypeKind::kRecord) out += ",\"fields\":[";
    for (const SchemaField& field : type.fields) {
      separate();
      put(R"({{"name":"{}","type":)", field.name);
      write(field.type);
      out += '}';
    }
    out += type.kind == TypeKind::kRecord ? "]}" : "}";
  }

  std::string out;

 private:
  template <typename... Args>
  void put(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(out), format, std::forward<Args>(args)...);
  }
  void separate() {
    if (!out.ends_with('[')) out += ',';
  }
  static std::string_view mark(const SchemaType& type) { return type.logical.empty() ? "" : ":"; }

  const Schema& schema_;
  std::set<std::string> seen_;
};

}  // namespace

std::string Schema::meaning(TypeIndex index) const {
  MeaningWriter writer(*this);
  writer.write(index);
  return std::move(writer.out);
}

}  // namespace finpipe::avro
