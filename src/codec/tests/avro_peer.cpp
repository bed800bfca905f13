#include "codec/tests/avro_peer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>
#include <string>

namespace finpipe::avro {
namespace {

void must(int status) {
  if (status != 0) throw std::runtime_error(avro_strerror());
}

// Numbers of every length, the extremes among them.
std::int64_t any_long(Random& random) {
  const auto wide = static_cast<std::int64_t>(random.next());
  const std::int64_t value = wide >> random.below(64);
  return random.chance(0.02) ? INT64_MIN : value;
}

std::string any_bytes(Random& random) {
  std::string bytes(random.chance(0.1) ? random.below(300) : random.below(12), '\0');
  for (char& byte : bytes) byte = static_cast<char>(random.next());
  return bytes;
}

// Two's complement, by dropping leading bytes that only repeat the sign.
std::string decimal_bytes(std::int64_t value) {
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(value >> shift));
  const char sign = value < 0 ? '\xff' : '\0';
  while (bytes.size() > 1 && bytes[0] == sign && ((bytes[1] < 0) == (value < 0))) bytes.erase(0, 1);
  return bytes;
}

void fill_value(avro_value_t& value, std::string_view field, Random& random) {
  avro_value_t child;
  switch (type_of(value)) {
    case AVRO_BOOLEAN: return must(avro_value_set_boolean(&value, random.chance(0.5) ? 1 : 0));
    case AVRO_INT32: return must(avro_value_set_int(&value, static_cast<std::int32_t>(any_long(random))));
    case AVRO_INT64: return must(avro_value_set_long(&value, any_long(random)));
    case AVRO_STRING: {
      std::string text = any_bytes(random);
      return must(avro_value_set_string_len(&value, text.data(), text.size() + 1));
    }
    case AVRO_BYTES: {
      const bool decimal = field == "price" || field == "volume";
      std::string bytes = decimal ? decimal_bytes(any_long(random)) : any_bytes(random);
      return must(avro_value_set_bytes(&value, bytes.data(), bytes.size()));
    }
    case AVRO_FIXED: {
      std::string bytes(static_cast<std::size_t>(avro_schema_fixed_size(avro_value_get_schema(&value))), '\0');
      for (char& byte : bytes) byte = static_cast<char>(random.next());
      return must(avro_value_set_fixed(&value, bytes.data(), bytes.size()));
    }
    case AVRO_ENUM: {
      const int count = avro_schema_enum_number_of_symbols(avro_value_get_schema(&value));
      return must(avro_value_set_enum(&value, static_cast<int>(random.below(static_cast<std::uint64_t>(count)))));
    }
    case AVRO_ARRAY:
      for (std::uint64_t left = random.chance(0.05) ? 100 : random.below(4); left > 0; --left) {
        must(avro_value_append(&value, &child, nullptr));
        fill_value(child, field, random);
      }
      return;
    case AVRO_UNION: {
      const std::size_t count = avro_schema_union_size(avro_value_get_schema(&value));
      must(avro_value_set_branch(&value, static_cast<int>(random.below(count)), &child));
      return fill_value(child, field, random);
    }
    case AVRO_RECORD: {
      std::size_t count = 0;
      must(avro_value_get_size(&value, &count));
      for (std::size_t index = 0; index < count; ++index) {
        const char* name = nullptr;
        must(avro_value_get_by_index(&value, index, &child, &name));
        fill_value(child, name, random);
      }
      return;
    }
    case AVRO_NULL: return must(avro_value_set_null(&value));
    default: throw std::logic_error("a type that our schemas do not use");
  }
}

}  // namespace

avro_type_t type_of(const avro_value_t& value) { return value.iface->get_type(value.iface, value.self); }

AvroPeer::AvroPeer(std::string_view schema) {
  must(avro_schema_from_json_length(schema.data(), schema.size(), &schema_));
  interface_ = avro_generic_class_from_schema(schema_);
  must(avro_generic_value_new(interface_, &value_));
}

AvroPeer::~AvroPeer() {
  avro_value_decref(&value_);
  avro_value_iface_decref(interface_);
  avro_schema_decref(schema_);
}

void AvroPeer::fill(Random& random) {
  must(avro_value_reset(&value_));
  fill_value(value_, "", random);
}

std::string AvroPeer::write() {
  std::size_t size = 0;
  must(avro_value_sizeof(&value_, &size));
  std::string bytes(size, '\0');
  avro_writer_t writer = avro_writer_memory(bytes.data(), static_cast<std::int64_t>(size));
  const int status = avro_value_write(writer, &value_);
  avro_writer_free(writer);
  must(status);
  return bytes;
}

bool AvroPeer::read(std::string_view bytes) {
  avro_reader_t reader = avro_reader_memory(bytes.data(), static_cast<std::int64_t>(bytes.size()));
  const bool good = avro_value_read(reader, &value_) == 0;
  char beyond = 0;
  const bool all = avro_read(reader, &beyond, 1) != 0;
  avro_reader_free(reader);
  return good && all;
}

avro_value_t AvroPeer::at(std::string_view path) const {
  avro_value_t here = value_;
  for (;;) {
    if (type_of(here) == AVRO_UNION) {
      avro_value_t branch;
      must(avro_value_get_current_branch(&here, &branch));
      here = branch;
      continue;
    }
    if (path.empty()) return here;
    const std::size_t dot = std::min(path.find('.'), path.size());
    const std::string step(path.substr(0, dot));
    path.remove_prefix(std::min(dot + 1, path.size()));
    avro_value_t child;
    if (type_of(here) == AVRO_ARRAY) {
      must(avro_value_get_by_index(&here, std::stoul(step), &child, nullptr));
    } else {
      must(avro_value_get_by_name(&here, step.c_str(), &child, nullptr));
    }
    here = child;
  }
}

std::string_view AvroPeer::branch_name(std::string_view path) const {
  const avro_value_t value = at(path);
  return avro_schema_name(avro_value_get_schema(&value));
}

}  // namespace finpipe::avro
