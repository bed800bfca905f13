#include "codec/avro_resolution.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace finpipe::avro {

namespace dom = simdjson::dom;

namespace {

constexpr std::size_t kMaxValueDepth = 64;  // of values of a recursive type
// Values of some types take no bytes, and types that name each other can have any number of them.
constexpr std::size_t kMinWork = 10'000;  // looks at a value, whatever its size
constexpr std::size_t kWorkPerByte = 100;
constexpr std::size_t kMaxSteps = 10'000;  // comparisons of a type of the writer's with one of the reader's
constexpr std::string_view kDecimal = "decimal(";
constexpr int kNarrowPrecision = 19;       // what the generated code has in 64 bits
constexpr std::size_t kMaxWhyBytes = 500;  // names in a foreign schema may be long

void put_long(std::int64_t value, std::string& out) {
  char buffer[10];
  out.append(buffer, LongCodec::put(buffer, value));
}

// The bytes of a default; nullopt when it does not fit the type.
bool put_default(const Schema& schema, TypeIndex index, const dom::element& value, std::string& out) {
  const SchemaType& type = schema.at(index);
  std::string_view text;
  std::int64_t number = 0;
  bool truth = false;
  dom::array items;
  dom::object members;
  switch (type.kind) {
    case TypeKind::kNull: return value.is_null();
    case TypeKind::kBoolean:
      if (value.get(truth) != simdjson::SUCCESS) return false;
      out += truth ? '\1' : '\0';
      return true;
    case TypeKind::kInt:
    case TypeKind::kLong:
      if (value.get(number) != simdjson::SUCCESS) return false;
      if (type.kind == TypeKind::kInt && !std::in_range<std::int32_t>(number)) return false;
      put_long(number, out);
      return true;
    case TypeKind::kString:
      if (value.get(text) != simdjson::SUCCESS) return false;
      put_long(static_cast<std::int64_t>(text.size()), out);
      out += text;
      return true;
    case TypeKind::kEnum: {
      if (value.get(text) != simdjson::SUCCESS) return false;
      const auto symbol = std::ranges::find(type.symbols, text);
      put_long(symbol - type.symbols.begin(), out);
      return symbol != type.symbols.end();
    }
    case TypeKind::kUnion:  // a default is of the first branch
      out += '\0';
      return put_default(schema, type.parts[0], value, out);
    case TypeKind::kArray:
      if (value.get(items) != simdjson::SUCCESS) return false;
      if (items.size() > 0) put_long(static_cast<std::int64_t>(items.size()), out);
      for (const dom::element item : items) {
        if (!put_default(schema, type.parts[0], item, out)) return false;
      }
      out += '\0';
      return true;
    case TypeKind::kRecord:
      if (value.get(members) != simdjson::SUCCESS) return false;
      for (const SchemaField& field : type.fields) {
        dom::element member;
        if (members[field.name].get(member) != simdjson::SUCCESS) return false;
        if (!put_default(schema, field.type, member, out)) return false;
      }
      return true;
    default: return false;  // bytes, fixed, maps and floats: our schemas have no defaults of them
  }
}

std::string shown(const SchemaType& type) {
  const std::string name = type.name.empty() ? std::string(to_string(type.kind)) : type.name;
  return type.logical.empty() ? name : fmt::format("{} {}", name, type.logical);
}

// One of ours: as its decoder reads it.
bool skip_decimal(const SchemaType& type, Reader& in) {
  int precision = 0;
  std::from_chars(type.logical.data() + kDecimal.size(), type.logical.data() + type.logical.size(), precision);
  std::int64_t narrow = 0;
  int128 wide = 0;
  return precision <= kNarrowPrecision ? DecimalCodec<std::int64_t>::get(in, narrow)
                                       : DecimalCodec<int128>::get(in, wide);
}

// Whether the reader takes the bytes of the writer's plain type as they are.
bool same_encoding(TypeKind writer, TypeKind reader) {
  if (writer == reader) return writer <= TypeKind::kString;
  const auto text = [](TypeKind kind) { return kind == TypeKind::kBytes || kind == TypeKind::kString; };
  return (writer == TypeKind::kInt && reader == TypeKind::kLong) || (text(writer) && text(reader));
}

}  // namespace

class ResolutionBuilder {
 public:
  ResolutionBuilder(Schema writer, const Schema& reader) : reader_(reader) { result_.writer_ = std::move(writer); }

  Result<Resolution> build() {
    const std::string place(short_name(reader_.name()));
    const auto root = step(result_.writer_.root(), reader_.root(), place);
    if (steps_ > kMaxSteps) return fail(ErrorCode::kIncompatibleSchema, "a schema with too many alternatives");
    if (!root) return fail(root.error());
    result_.root_ = *root;
    return std::move(result_);
  }

 private:
  using Step = Resolution::Step;
  using Action = Step::Action;
  using Made = Result<Resolution::StepIndex>;

  Resolution::StepIndex add(Step step) {
    result_.steps_.push_back(std::move(step));
    return result_.steps_.size() - 1;
  }

  // Whether both have one meaning (Schema::meaning).
  bool same(TypeIndex writer_index, TypeIndex reader_index) const {
    const SchemaType& writer = result_.writer_.at(writer_index);
    const SchemaType& reader = reader_.at(reader_index);
    return writer.kind == reader.kind && writer.name == reader.name && writer.logical == reader.logical &&
           writer.size == reader.size && writer.symbols == reader.symbols &&
           std::ranges::equal(writer.parts, reader.parts, [&](auto a, auto b) { return same(a, b); }) &&
           std::ranges::equal(writer.fields, reader.fields, [&](const SchemaField& a, const SchemaField& b) {
             return a.name == b.name && same(a.type, b.type);
           });
  }

  Made step(TypeIndex writer_index, TypeIndex reader_index, const std::string& place) {
    if (++steps_ > kMaxSteps) return fail(ErrorCode::kIncompatibleSchema);  // build() says so
    const SchemaType& writer = result_.writer_.at(writer_index);
    const SchemaType& reader = reader_.at(reader_index);
    if (same(writer_index, reader_index)) return add({.writer = writer_index});
    if (writer.kind == TypeKind::kUnion) return choose(writer_index, reader_index, place);
    if (reader.kind == TypeKind::kUnion) return enter(writer_index, reader_index, place);
    const bool named_alike = short_name(writer.name) == short_name(reader.name);
    if (writer.kind == reader.kind && named_alike && writer.logical == reader.logical) {
      switch (writer.kind) {
        case TypeKind::kRecord: return record(writer_index, reader, place);
        case TypeKind::kEnum: return enumeration(writer_index, reader);
        case TypeKind::kFixed:
          if (writer.size == reader.size) return add({.writer = writer_index});
          return fail(ErrorCode::kIncompatibleSchema,
                      fmt::format("{}: {} bytes, not {}", place, writer.size, reader.size));
        case TypeKind::kArray: {
          FINPIPE_TRY_ASSIGN(item, step(writer.parts[0], reader.parts[0], place + "[]"));
          return add({.action = Action::kArray, .writer = writer_index, .parts = {item}});
        }
        default: break;
      }
    }
    if (same_encoding(writer.kind, reader.kind) && writer.logical == reader.logical)
      return add({.writer = writer_index});
    return fail(ErrorCode::kIncompatibleSchema, fmt::format("{}: {}, not {}", place, shown(writer), shown(reader)));
  }

  // A branch that the reader cannot take is no reason to refuse the schema, unless there is no other.
  Made choose(TypeIndex writer_index, TypeIndex reader_index, const std::string& place) {
    Step result{.action = Action::kChoose, .writer = writer_index};
    std::optional<Error> why;
    bool possible = false;
    const std::vector<TypeIndex> branches = result_.writer_.at(writer_index).parts;
    for (const TypeIndex branch : branches) {
      auto part = step(branch, reader_index, place);
      possible = possible || part;
      if (!part) why = part.error();
      result.parts.push_back(
          part ? *part : add({.action = Action::kRefuse, .why = part.error().detail.substr(0, kMaxWhyBytes)}));
    }
    if (!possible) return fail(*std::move(why));
    return add(std::move(result));
  }

  Made enter(TypeIndex writer_index, TypeIndex reader_index, const std::string& place) {
    const SchemaType& reader = reader_.at(reader_index);
    const std::string& name = result_.writer_.at(writer_index).name;
    // The branch of the same name, else the first one that takes it.
    for (const bool by_name : {true, false}) {
      for (std::size_t branch = 0; branch < reader.parts.size(); ++branch) {
        const std::string& other = reader_.at(reader.parts[branch]).name;
        if (by_name && (name.empty() || short_name(name) != short_name(other))) continue;
        const auto part = step(writer_index, reader.parts[branch], place);
        if (!part && by_name) return fail(part.error());
        if (!part) continue;
        return add({.action = Action::kEnter,
                    .writer = writer_index,
                    .parts = {*part},
                    .branch = static_cast<std::int64_t>(branch)});
      }
    }
    return fail(ErrorCode::kIncompatibleSchema,
                fmt::format("{}: {} is none of its types", place, shown(result_.writer_.at(writer_index))));
  }

  Made enumeration(TypeIndex writer_index, const SchemaType& reader) {
    Step result{.action = Action::kEnum, .writer = writer_index};
    const auto number_of = [&](const std::string& symbol) -> std::int64_t {
      const auto found = std::ranges::find(reader.symbols, symbol);
      return found == reader.symbols.end() ? -1 : found - reader.symbols.begin();
    };
    for (const std::string& symbol : result_.writer_.at(writer_index).symbols) {
      const std::int64_t number = number_of(symbol);
      result.numbers.push_back(number < 0 && reader.default_symbol ? number_of(*reader.default_symbol) : number);
    }
    return add(std::move(result));
  }

  Made record(TypeIndex writer_index, const SchemaType& reader, const std::string& place) {
    Step result{.action = Action::kRecord, .writer = writer_index};
    for (const SchemaField& field : reader.fields) {
      const std::string here = fmt::format("{}.{}", place, field.name);
      const auto& theirs = result_.writer_.at(writer_index).fields;
      const auto found = std::ranges::find(theirs, field.name, &SchemaField::name);
      Resolution::Member& member = result.members.emplace_back();
      if (found != theirs.end()) {
        member.place = static_cast<std::size_t>(found - theirs.begin());
        FINPIPE_TRY_ASSIGN(part, step(found->type, field.type, here));
        member.step = part;
        continue;
      }
      dom::parser parser;
      dom::element value;
      if (!field.default_json) return fail(ErrorCode::kIncompatibleSchema, here + ": missing, and has no default");
      if (parser.parse(*field.default_json).get(value) != simdjson::SUCCESS ||
          !put_default(reader_, field.type, value, member.otherwise)) {
        return fail(ErrorCode::kIncompatibleSchema, fmt::format("{}: default {}", here, *field.default_json));
      }
    }
    return add(std::move(result));
  }

  Resolution result_;
  const Schema& reader_;
  std::size_t steps_ = 0;
};

Result<Resolution> Resolution::make(Schema writer, const Schema& reader) {
  return ResolutionBuilder(std::move(writer), reader).build();
}

Result<void> Resolution::convert(std::span<const std::byte> bytes, std::string& out) {
  work_left_ = kMinWork + kWorkPerByte * bytes.size();
  depth_ = 0;
  copying_ = false;
  places_.clear();
  no_place_.clear();
  Reader in(bytes);
  if (run(root_, in, out) && in.remaining() == 0) return {};
  if (!no_place_.empty()) return fail(ErrorCode::kIncompatibleSchema, no_place_);
  return fail(ErrorCode::kAvroMalformed, fmt::format("{} refused near byte {} of {}", short_name(writer_.name()),
                                                     bytes.size() - in.remaining(), bytes.size()));
}

bool Resolution::no_place(std::string why) {
  no_place_ = std::move(why);
  return false;
}

bool Resolution::work() { return work_left_ > 0 && work_left_-- > 0; }

bool Resolution::run(StepIndex index, Reader& in, std::string& out) {
  if (!work()) return false;
  const Step& step = steps_[index];
  switch (step.action) {
    case Step::Action::kCopy: {
      Reader begin = in;
      copying_ = true;
      const bool good = skip(step.writer, in);
      copying_ = false;
      if (!good) return false;
      const char* bytes = nullptr;
      const std::size_t size = begin.remaining() - in.remaining();
      const bool taken = begin.take(size, bytes);
      out.append(bytes, size);
      return taken;
    }
    case Step::Action::kEnum: {
      std::int64_t number = 0;
      if (!in.take_long(number) || number < 0 || static_cast<std::size_t>(number) >= step.numbers.size()) return false;
      const std::int64_t ours = step.numbers[static_cast<std::size_t>(number)];
      const SchemaType& type = writer_.at(step.writer);
      if (ours < 0) {
        return no_place(fmt::format("{} {}", short_name(type.name), type.symbols[static_cast<std::size_t>(number)]));
      }
      put_long(ours, out);
      return true;
    }
    case Step::Action::kChoose: {
      std::int64_t branch = 0;
      if (!in.take_long(branch) || branch < 0 || static_cast<std::size_t>(branch) >= step.parts.size()) return false;
      return run(step.parts[static_cast<std::size_t>(branch)], in, out);
    }
    case Step::Action::kEnter: put_long(step.branch, out); return run(step.parts[0], in, out);
    case Step::Action::kArray: return run_array(step, in, out);
    case Step::Action::kRecord: return run_record(step, in, out);
    case Step::Action::kRefuse: return no_place(step.why);
  }
  return false;
}

// Once over the writer's fields to see where each begins, then the reader's in their own order.
bool Resolution::run_record(const Step& step, Reader& in, std::string& out) {
  const std::size_t first = places_.size();
  for (const SchemaField& field : writer_.at(step.writer).fields) {
    places_.push_back(in);
    if (!skip(field.type, in)) return false;
  }
  for (const Member& member : step.members) {
    if (!member.place) {
      out += member.otherwise;
      continue;
    }
    Reader place = places_[first + *member.place];
    if (!run(member.step, place, out)) return false;
  }
  places_.resize(first, in);
  return true;
}

bool Resolution::run_array(const Step& step, Reader& in, std::string& out) {
  return each_block(in, [&](std::int64_t count) {
    put_long(count, out);
    for (; count > 0; --count) {
      if (!run(step.parts[0], in, out)) return false;
    }
    return true;
  });
}

// Calls `take` for each block of an array or map, and for its end, with the number of items.
template <typename Take>
bool Resolution::each_block(Reader& in, Take take) {
  for (std::size_t items = 0;;) {
    std::int64_t count = 0;
    std::size_t block_bytes = 0;
    if (!in.take_long(count)) return false;
    const bool sized = count < 0;
    const std::uint64_t size = sized ? 0 - static_cast<std::uint64_t>(count) : static_cast<std::uint64_t>(count);
    if (size > kMaxArrayItems - items || (sized && !in.take_length(block_bytes))) return false;
    items += size;
    const std::size_t before = in.remaining();
    if (!take(static_cast<std::int64_t>(size))) return false;
    if (sized && before - in.remaining() != block_bytes) return false;
    if (size == 0) return true;
  }
}

bool Resolution::skip_items(const SchemaType& type, Reader& in) {
  return each_block(in, [&](std::int64_t count) {
    for (; count > 0; --count) {
      std::string_view key;
      if (type.kind == TypeKind::kMap && !TextCodec::get(in, key)) return false;
      if (!skip(type.parts[0], in)) return false;
    }
    return true;
  });
}

bool Resolution::skip(TypeIndex index, Reader& in) {
  if (!work()) return false;
  const SchemaType& type = writer_.at(index);
  const char* bytes = nullptr;
  switch (type.kind) {
    case TypeKind::kNull: return true;
    case TypeKind::kBoolean: {
      bool value = false;
      return BooleanCodec::get(in, value);
    }
    case TypeKind::kInt: {
      std::int32_t value = 0;
      return IntCodec::get(in, value);
    }
    case TypeKind::kLong: {
      std::int64_t value = 0;
      return in.take_long(value);
    }
    case TypeKind::kFloat: return in.take(sizeof(float), bytes);
    case TypeKind::kDouble: return in.take(sizeof(double), bytes);
    case TypeKind::kBytes:
    case TypeKind::kString: {
      if (copying_ && type.logical.starts_with(kDecimal)) return skip_decimal(type, in);
      std::string_view value;
      return TextCodec::get(in, value);
    }
    case TypeKind::kFixed: return in.take(type.size, bytes);
    case TypeKind::kEnum: {
      std::int64_t number = 0;
      return in.take_long(number) && number >= 0 && static_cast<std::size_t>(number) < type.symbols.size();
    }
    default: break;
  }
  if (depth_ == kMaxValueDepth) return false;
  ++depth_;
  bool good = true;
  if (type.kind == TypeKind::kUnion) {
    std::int64_t branch = 0;
    good = in.take_long(branch) && branch >= 0 && static_cast<std::size_t>(branch) < type.parts.size() &&
           skip(type.parts[static_cast<std::size_t>(branch)], in);
  } else if (type.kind == TypeKind::kRecord) {
    for (const SchemaField& field : type.fields) good = good && skip(field.type, in);
  } else {
    good = skip_items(type, in);
  }
  --depth_;
  return good;
}

}  // namespace finpipe::avro
