#include "logs/schema_translator.h"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>
#include <stdexcept>
#include <utility>

#include "codec/confluent.h"

namespace finpipe {
namespace {

// Of foreign schemas. A log has a handful; more means that somebody tries.
constexpr std::size_t kMaxReadings = 64;
constexpr std::size_t kMaxDetailBytes = 500;      // names in a foreign schema may be long
constexpr std::uint32_t kMaxWireId = 0x7fffffff;  // registries count in Java's ints

bool is_frame(std::string_view value) { return value.size() >= kFrameHeaderBytes && value.front() == '\0'; }

std::uint32_t id_of(const char* frame) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(frame[i])); };
  return byte(1) << 24 | byte(2) << 16 | byte(3) << 8 | byte(4);
}

void set_id(char* frame, std::uint32_t id) {
  for (std::size_t i = 1; i < kFrameHeaderBytes; ++i) frame[i] = static_cast<char>(id >> (32 - 8 * i));
}

}  // namespace

SchemaTranslator::SchemaTranslator(std::span<const WireSchema> ours, LookUp look_up) : look_up_(std::move(look_up)) {
  for (const WireSchema& wire : ours) {
    auto schema = avro::Schema::parse(wire.schema);
    if (!schema) throw std::logic_error(schema.error().message());
    std::string meaning = schema->meaning();
    ours_.push_back({wire, *std::move(schema), std::move(meaning)});
    wire_ids_.resize(std::max<std::size_t>(wire_ids_.size(), wire.fixed_id + 1));
    if (wire_ids_[wire.fixed_id] != 0 || reading_of(wire.wire_id) != nullptr) {
      throw std::logic_error("two schemas have one id");
    }
    wire_ids_[wire.fixed_id] = wire.wire_id;
    readings_.push_back({.wire_id = wire.wire_id, .fixed_id = wire.fixed_id});
  }
}

std::string_view SchemaTranslator::to_wire(std::string_view value, std::string& scratch) const {
  if (!is_frame(value)) return value;
  const std::uint32_t fixed_id = id_of(value.data());
  const std::uint32_t wire_id = fixed_id < wire_ids_.size() ? wire_ids_[fixed_id] : 0;
  if (wire_id == 0) throw std::logic_error("a value without a schema of ours");
  if (wire_id == fixed_id) return value;
  scratch.assign(value);
  set_id(scratch.data(), wire_id);
  return scratch;
}

std::optional<SchemaTranslator::Ours> SchemaTranslator::from_wire(std::span<char> value, std::string& scratch) {
  const std::string_view text(value.data(), value.size());
  if (!is_frame(text)) return Ours{text};
  const std::uint32_t wire_id = id_of(value.data());
  const Reading* reading = recent_[wire_id % kSlots];
  if (reading == nullptr || reading->wire_id != wire_id || reading->resolution || reading->refusal) {
    return slow_from_wire(value, wire_id, scratch);
  }
  set_id(value.data(), reading->fixed_id);
  return Ours{text, wire_id};
}

std::optional<SchemaTranslator::Ours> SchemaTranslator::slow_from_wire(std::span<char> value, std::uint32_t wire_id,
                                                                       std::string& scratch) {
  const std::string_view text(value.data(), value.size());
  const auto refuse = [&](Error why) {
    why.detail =
        fmt::format("schema id {}{}{:.{}}", wire_id, why.detail.empty() ? "" : ": ", why.detail, kMaxDetailBytes);
    scratch.clear();
    refuse_value({std::move(why), text}, scratch);
    return Ours{.value = scratch, .original = text};
  };
  Reading* reading = reading_of(wire_id);
  if (reading == nullptr) {
    if (wire_id == 0 || wire_id > kMaxWireId) return refuse(Error{ErrorCode::kUnknownSchemaId, "never given out"});
    auto schema = look_up_(wire_id);
    if (!schema) return std::nullopt;
    if (!*schema) return refuse(std::move(*schema).error());  // not remembered here: that may change
    if (readings_.size() == ours_.size() + kMaxReadings) {
      readings_.resize(ours_.size());
      recent_.fill(nullptr);
    }
    reading = &readings_.emplace_back(read_schema(wire_id, **schema));
  }
  recent_[wire_id % kSlots] = reading;
  if (reading->refusal) return refuse(*reading->refusal);
  if (reading->resolution) {
    scratch.clear();
    frame_header(reading->fixed_id, scratch);
    const auto payload = std::as_bytes(std::span(text)).subspan(kFrameHeaderBytes);
    if (const auto converted = reading->resolution->convert(payload, scratch); !converted) {
      return refuse(converted.error());
    }
    return Ours{.value = scratch, .original = text};
  }
  set_id(value.data(), reading->fixed_id);
  return Ours{text, wire_id};
}

SchemaTranslator::Reading* SchemaTranslator::reading_of(std::uint32_t wire_id) {
  const auto found = std::ranges::find(readings_, wire_id, &Reading::wire_id);
  return found == readings_.end() ? nullptr : &*found;
}

SchemaTranslator::Reading SchemaTranslator::read_schema(std::uint32_t wire_id, const std::string& text) const {
  Reading reading{.wire_id = wire_id};
  auto schema = avro::Schema::parse(text);
  if (!schema) {
    reading.refusal = std::move(schema).error();
    return reading;
  }
  const auto ours = std::ranges::find(ours_, schema->name(),
                                      [](const Contract& each) -> const std::string& { return each.schema.name(); });
  if (ours == ours_.end()) {
    const std::string name = schema->name().empty() ? "of no record" : fmt::format("of {}", schema->name());
    reading.refusal = Error{ErrorCode::kUnknownSchemaId, name};
    return reading;
  }
  reading.fixed_id = ours->wire.fixed_id;
  if (schema->meaning() == ours->meaning) return reading;
  auto resolution = avro::Resolution::make(*std::move(schema), ours->schema);
  if (resolution) {
    reading.resolution = *std::move(resolution);
  } else {
    reading.refusal = std::move(resolution).error();
  }
  return reading;
}

}  // namespace finpipe
