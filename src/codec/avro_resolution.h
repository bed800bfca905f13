// Schema resolution: a value that was written with one schema becomes the bytes of the same value in another one, by
// the rules of the Avro specification ("Schema Resolution"), towards schemas of the kind that our code is generated
// from.
//
// Stricter than the specification in one place: two numbers match only when they count the same. A decimal of another
// scale or a timestamp in microseconds has the same encoding and another meaning, and is refused.
// Made because avro-c 1.11 knows no default values: of a reader's field that the writer lacks it only says so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "codec/avro_runtime.h"
#include "codec/avro_schema.h"

namespace finpipe::avro {

class Resolution {
 public:
  // Error: kIncompatibleSchema, naming the field and what is wrong with it.
  [[nodiscard]] static Result<Resolution> make(Schema writer, const Schema& reader);

  // Appends the value to `out`; after an error what it appended means nothing. As strict as the generated decoders,
  // whatever the bytes are: nothing is read beyond them, and work and memory are bounded by their size.
  // Errors: kAvroMalformed; kIncompatibleSchema when the reader has no place for this value, such as a new symbol.
  [[nodiscard]] Result<void> convert(std::span<const std::byte> bytes, std::string& out);

 private:
  friend class ResolutionBuilder;
  using StepIndex = std::size_t;

  struct Member {                      // a field of the reader's record
    std::optional<std::size_t> place;  // of the writer's field; nullopt: `otherwise`
    StepIndex step = 0;
    std::string otherwise{};
  };
  struct Step {
    enum class Action : std::uint8_t { kCopy, kEnum, kArray, kChoose, kEnter, kRecord, kRefuse };
    Action action = Action::kCopy;
    TypeIndex writer = 0;
    std::vector<std::int64_t> numbers{};  // kEnum: the reader's number for each of the writer's, -1 for none
    std::vector<StepIndex> parts{};       // kArray: of the item; kChoose: by the writer's branch; kEnter: what follows
    std::int64_t branch = 0;              // kEnter: the reader's
    std::vector<Member> members{};        // kRecord
    std::string why{};                    // kRefuse
  };

  [[nodiscard]] bool run(StepIndex step, Reader& in, std::string& out);
  [[nodiscard]] bool run_record(const Step& step, Reader& in, std::string& out);
  [[nodiscard]] bool run_array(const Step& step, Reader& in, std::string& out);
  // Steps over a value of the writer's type.
  [[nodiscard]] bool skip(TypeIndex index, Reader& in);
  [[nodiscard]] bool skip_items(const SchemaType& type, Reader& in);
  template <typename Take>
  [[nodiscard]] bool each_block(Reader& in, Take take);
  [[nodiscard]] bool work();  // false when it is too much for the bytes that there are
  [[nodiscard]] bool no_place(std::string why);

  Schema writer_;
  std::vector<Step> steps_;
  StepIndex root_ = 0;
  std::vector<Reader> places_;  // where the fields of the records under way begin
  std::size_t work_left_ = 0;   // for this value
  std::size_t depth_ = 0;
  bool copying_ = false;  // what is stepped over goes to the reader as it is
  std::string no_place_;
};

}  // namespace finpipe::avro
