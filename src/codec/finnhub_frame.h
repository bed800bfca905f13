// Reads Finnhub's WebSocket frames. Numbers go from their text into exact decimals, never through a double.
// A trade that breaks a rule is set aside with its reason and its bytes and harms no neighbour in the frame; a frame
// that is not valid JSON as a whole is set aside as a whole and yields no trade.
// A parser keeps its buffers from frame to frame and is for one thread.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "market/trade.h"

namespace finpipe {

constexpr std::size_t kMaxFrameBytes = std::size_t{1} << 20;
constexpr std::size_t kKeptFrameBytes = std::size_t{64} << 10;  // of one that is larger, as evidence
constexpr int kMaxFrameDepth = 16;                              // levels of arrays and objects

// A trade, or a whole frame, that cannot be used.
struct BadElement {
  ErrorCode reason;
  std::string detail;        // what exactly, for people
  std::string_view raw;      // its bytes as they came
  std::size_t position = 0;  // in the frame's list of trades, from 0
};

struct ParsedFrame {
  enum class Kind {
    kTrades,  // trades and bad ones; both may be empty
    kPing,
    kError,    // the vendor says `message`
    kIgnored,  // news and press releases
    kBad,      // `bad` has one element: the whole frame
  };
  Kind kind = Kind::kBad;
  std::span<const Trade> trades;  // in the order of the frame; receipt, seq and session are not set
  std::span<const BadElement> bad;
  std::string_view message;
  std::size_t rounded = 0;  // numbers of `trades` that had more digits than fit, rounded half to even
};

class FrameParser {
 public:
  FrameParser();
  FrameParser(FrameParser&&) noexcept;
  FrameParser& operator=(FrameParser&&) noexcept;
  ~FrameParser();

  // The result and all text in it live until the next call; `raw` of a frame above 1 MiB is a view of `frame`.
  //
  // Rules: p, v, s and t are required (kMissingField) and of the documented JSON type (kWrongType). Price and volume
  // are not negative; zero is a price. t is a whole number, in any notation, of the years up to 9999. Conditions are
  // absent, null, or up to 32 strings. Other keys are ignored; of a key that comes twice the last one counts.
  [[nodiscard]] const ParsedFrame& parse(std::string_view frame);

 private:
  class Reader;
  std::unique_ptr<Reader> reader_;
};

}  // namespace finpipe
