// Our side of the contract tests, for scripts to drive.
//
//   registry_peer values            "<schema file> <value's hex>" a line becomes the hex of the same value as our code
//                                   reads and writes it again, or "error <name> <detail>"
//   registry_peer open URL CACHE    has our schemas registered and prints "<subject's id> <fixed id>" for each, then
//                                   "confirmed" or "unconfirmed"; --look-up: does not register. User, password and
//                                   authority come from REGISTRY_USER, REGISTRY_PASSWORD and REGISTRY_CA (a file)
//   registry_peer fetch URL CACHE ID   the text of the schema with this id
#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "codec/confluent.h"
#include "codec/dead_letter_avro.h"
#include "codec/feed_status_avro.h"
#include "codec/stock_bar_avro.h"
#include "codec/stock_quote_avro.h"
#include "codec/stock_tick_avro.h"
#include "logs/registry/schema_registry.h"
#include "logs/schema_translator.h"
#include "logs/wire_schemas.h"

namespace finpipe {
namespace {

constexpr std::uint32_t kFirstForeignId = 1'000;

std::string file_content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    unsigned byte = 0;
    std::from_chars(hex.data() + i, hex.data() + i + 2, byte, 16);
    bytes += static_cast<char>(byte);
  }
  return bytes;
}

template <typename Record>
Result<void> again(std::span<const std::byte> payload, std::string& out) {
  Record record;
  FINPIPE_TRY(avro::decode(payload, record));
  frame_header(Record::kSchemaId, out);
  avro::encode(record, out);
  return {};
}

Result<void> again(const Framed& framed, std::string& out) {
  switch (framed.id) {
    case avro::StockTick::kSchemaId: return again<avro::StockTick>(framed.payload, out);
    case avro::FeedStatus::kSchemaId: return again<avro::FeedStatus>(framed.payload, out);
    case avro::DeadLetter::kSchemaId: return again<avro::DeadLetter>(framed.payload, out);
    case avro::StockQuote::kSchemaId: return again<avro::StockQuote>(framed.payload, out);
    case avro::StockBar::kSchemaId: return again<avro::StockBar>(framed.payload, out);
    default: return fail(ErrorCode::kUnknownSchemaId, "no contract");
  }
}

std::string error_line(const Error& error) {
  return fmt::format("error {} {}", error_info(error.code).name, error.detail);
}

// From the wire, through our types, to the wire.
std::string through_us(SchemaTranslator& translator, std::string value) {
  std::string scratch;
  const auto ours = translator.from_wire(value, scratch);
  if (!ours) return "error waits";
  const auto framed = unframe(std::as_bytes(std::span(ours->value)));
  if (!framed) return error_line(framed.error());
  std::string out;
  if (const auto done = again(*framed, out); !done) return error_line(done.error());
  const std::string_view wire = translator.to_wire(out, scratch);
  return fmt::format("{:02x}", fmt::join(std::as_bytes(std::span(wire)).subspan(kFrameHeaderBytes), ""));
}

int values() {
  std::map<std::string, std::uint32_t> ids;  // by file
  std::map<std::uint32_t, std::string> files;
  std::vector<WireSchema> ours;
  for (const Contract& one : contracts()) ours.push_back({one.fixed_id, one.fixed_id + 100, one.schema});
  SchemaTranslator translator(
      ours, [&](std::uint32_t id) { return std::optional<Result<std::string>>(file_content(files[id])); });
  for (std::string line; std::getline(std::cin, line);) {
    const std::size_t space = line.find(' ');
    const std::string file = line.substr(0, space);
    const auto [entry, made] = ids.emplace(file, kFirstForeignId + static_cast<std::uint32_t>(ids.size()));
    files[entry->second] = file;
    std::string value;
    frame_header(entry->second, value);
    value += from_hex(std::string_view(line).substr(space + 1));
    std::cout << through_us(translator, std::move(value)) << std::endl;
  }
  return 0;
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

Result<std::unique_ptr<SchemaRegistry>> open(const std::string& url, const std::string& cache, bool look_up) {
  SchemaRegistryOptions options{.url = url,
                                .user = environment("REGISTRY_USER"),
                                .password = environment("REGISTRY_PASSWORD"),
                                .register_missing = !look_up,
                                .cache_directory = cache,
                                .patience_ms = 2'000};
  if (const std::string ca = environment("REGISTRY_CA"); !ca.empty()) {
    FINPIPE_TRY_ASSIGN(tls, net::TlsContext::client({.ca_pem = file_content(ca)}));
    options.tls = tls;
  }
  std::vector<TopicSchema> ours;
  for (const Contract& one : contracts()) {
    ours.push_back({fmt::format("finnhub.{}", one.topic), one.record, one.fixed_id, one.schema});
  }
  return SchemaRegistry::open(std::move(options), ours, {});
}

int run(std::span<const std::string> arguments) {
  if (arguments.size() == 1 && arguments[0] == "values") return values();
  if (arguments.size() < 3) return 2;
  const bool look_up = arguments.back() == "--look-up";
  auto registry = open(arguments[1], arguments[2], look_up);
  if (!registry) {
    std::cout << registry.error().message() << std::endl;
    return 1;
  }
  if (arguments[0] == "open") {
    for (const WireSchema& schema : (*registry)->schemas()) fmt::print("{} {}\n", schema.wire_id, schema.fixed_id);
    fmt::print("{}\n", (*registry)->confirmed() ? "confirmed" : "unconfirmed");
    return 0;
  }
  const auto ask = (*registry)->look_up();
  for (;;) {
    if (const auto text = ask(static_cast<std::uint32_t>(std::stoul(arguments[3])))) {
      std::cout << (*text ? **text : text->error().message()) << std::endl;
      return *text ? 0 : 1;
    }
    if (const auto polled = (*registry)->poll(); !polled) {
      std::cout << polled.error().message() << std::endl;
      return 1;
    }
  }
}

}  // namespace
}  // namespace finpipe

int main(int count, char** arguments) {
  const std::vector<std::string> words(arguments + 1, arguments + count);
  return finpipe::run(words);
}
