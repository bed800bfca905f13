// avro-c as an independent judge of the generated codecs: it holds a value of a schema, fills it with random content,
// writes and reads it, and gives out fields by name.
#pragma once

#include <avro.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/random.h"

namespace finpipe::avro {

// What avro_value_get_type answers, without that macro's mix of signs.
[[nodiscard]] avro_type_t type_of(const avro_value_t& value);

class AvroPeer {
 public:
  explicit AvroPeer(std::string_view schema);
  AvroPeer(const AvroPeer&) = delete;
  AvroPeer& operator=(const AvroPeer&) = delete;
  ~AvroPeer();

  void fill(Random& random);
  [[nodiscard]] std::string write();
  // False when avro-c refuses the bytes or leaves some of them.
  [[nodiscard]] bool read(std::string_view bytes);

  // The value at a path of field names, array indexes and record branches, such as "body.lags.0.market".
  // A union stands for its current branch. A path that leads nowhere fails the test.
  [[nodiscard]] avro_value_t at(std::string_view path) const;
  // The name of the record that a union holds now.
  [[nodiscard]] std::string_view branch_name(std::string_view path) const;

 private:
  avro_schema_t schema_ = nullptr;
  avro_value_iface_t* interface_ = nullptr;
  avro_value_t value_{};
};

}  // namespace finpipe::avro
