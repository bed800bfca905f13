// A foreign schema and a value of it: what is resolved into our schema must be what our decoder reads, and take work
// and memory in bounds. The first byte says which of ours, then come the schema's text, a zero byte and the value.
#include "codec/avro_resolution.h"
#include "codec/feed_status_avro.h"
#include "codec/stock_bar_avro.h"
#include "codec/stock_tick_avro.h"
#include "harness.h"

namespace finpipe {
namespace {

template <typename Record>
void check(std::string_view text, std::span<const std::byte> bytes) {
  static const auto ours = avro::Schema::parse(Record::kSchema);
  auto theirs = avro::Schema::parse(text);
  if (!theirs) return;
  auto resolution = avro::Resolution::make(*std::move(theirs), *ours);
  if (!resolution) return;
  std::string out;
  if (!resolution->convert(bytes, out)) return;
  if (fuzz::canary() != 0) out += '\0';
  Record record;
  fuzz::require(avro::decode(std::as_bytes(std::span(out)), record).has_value(), "what was resolved does not decode");
}

}  // namespace
}  // namespace finpipe

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace finpipe;
  fuzz::Script script({data, size});
  const std::size_t kind = script.below(3);
  const std::string_view rest = script.rest();
  const std::size_t end = rest.find('\0');
  if (end == std::string_view::npos) return 0;
  const std::string_view text = rest.substr(0, end);
  const auto bytes = std::as_bytes(std::span(rest)).subspan(end + 1);
  switch (kind) {
    case 0: check<avro::StockTick>(text, bytes); break;
    case 1: check<avro::FeedStatus>(text, bytes); break;
    default: check<avro::StockBar>(text, bytes); break;
  }
  return 0;
}
