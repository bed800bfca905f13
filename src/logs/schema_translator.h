// Where a log meets a schema registry: above it, values carry the fixed ids of schemas/ and are of the schemas that
// this program was built with; on the wire they carry the registry's ids and may be of any version. Pure: what a
// registry's id stands for is asked through a function.
//
// A value whose schema says the same as ours (docs and defaults do not matter) only gets another id. One of an older or
// newer version is resolved into ours. What cannot be is handed on as a refused value (codec/confluent.h), so that it
// becomes a dead letter with the right reason and its bytes as they came, id included. It must not be handed on as it
// is: its id may be one of ours, by chance.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "codec/avro_resolution.h"
#include "codec/avro_schema.h"

namespace finpipe {

// One of our contracts and the id that it has on the wire.
struct WireSchema {
  std::uint32_t fixed_id = 0;
  std::uint32_t wire_id = 0;
  std::string_view schema;  // static text: kSchema of the generated struct
};

class SchemaTranslator {
 public:
  // The text of the schema with this id; kUnknownSchemaId when there surely is none, kIncompatibleSchema when it is not
  // Avro; nullopt while it is not known: the answer to a later call may be. Asked for foreign ids, not for ours.
  using LookUp = std::function<std::optional<Result<std::string>>(std::uint32_t wire_id)>;

  // A value with a fixed id. The members are those of LogRecord (pipeline/ports.h).
  struct Ours {
    std::string_view value;       // what came, with another id written into it, or what `scratch` then holds
    std::uint32_t wire_id = 0;    // which it had; 0: no other
    std::string_view original{};  // what came, when `value` is in `scratch`
  };

  // Throws std::logic_error when a schema of ours cannot be read or two have one id.
  SchemaTranslator(std::span<const WireSchema> ours, LookUp look_up);
  SchemaTranslator(SchemaTranslator&&) noexcept = default;

  // The value with its registry's id: `value` itself where that is the fixed one, else a copy in `scratch`. Throws
  // std::logic_error for a frame that is none of ours, which nothing here writes. A value that is no frame stays as it
  // is, as from_wire leaves it.
  [[nodiscard]] std::string_view to_wire(std::string_view value, std::string& scratch) const;

  // nullopt: its schema is not known yet; nothing was changed, and the value and what follows it in its partition have
  // to wait. A value that is no frame comes back as it is.
  [[nodiscard]] std::optional<Ours> from_wire(std::span<char> value, std::string& scratch);

 private:
  // How values of one id on the wire are read.
  struct Reading {
    std::uint32_t wire_id = 0;
    std::uint32_t fixed_id = 0;
    std::optional<avro::Resolution> resolution{};  // nullopt: the schema says the same as ours
    std::optional<Error> refusal{};                // none of its values can be read
  };
  struct Contract {
    WireSchema wire;
    avro::Schema schema;
    std::string meaning;
  };

  [[nodiscard]] Reading* reading_of(std::uint32_t wire_id);
  [[nodiscard]] Reading read_schema(std::uint32_t wire_id, const std::string& text) const;
  [[nodiscard]] std::optional<Ours> slow_from_wire(std::span<char> value, std::uint32_t wire_id, std::string& scratch);

  static constexpr std::size_t kSlots = 64;  // a power of two

  LookUp look_up_;
  std::vector<Contract> ours_;
  std::vector<std::uint32_t> wire_ids_;  // by fixed id; 0: none
  std::deque<Reading> readings_;         // in place for good, until there are too many
  std::array<Reading*, kSlots> recent_{};
};

}  // namespace finpipe
