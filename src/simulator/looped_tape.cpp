#include "simulator/looped_tape.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <system_error>
#include <unordered_map>
#include <utility>

#include "base/time.h"
#include "codec/finnhub_frame.h"
#include "codec/tape_line.h"
#include "simulator/frame_pieces.h"

namespace finpipe {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxTimeChars = 20;
constexpr std::int64_t kGapOfOneFrameNs = kNsPerSecond;

Error too_large(std::uintmax_t bytes) {
  return {ErrorCode::kBadSetting, fmt::format("the tape has {} MiB; it is played from memory, at most {} MiB",
                                              bytes >> 20, LoopedTape::kMaxBytes >> 20)};
}

std::int64_t ceil_ms(std::int64_t ns) { return -floor_div(-ns, kNsPerMs); }

}  // namespace

// Reads the lines of a tape's text into its tables.
class LoopedTape::Loader {
 public:
  explicit Loader(LoopedTape& tape) : tape_(tape) {}

  void load() {
    const std::string_view text = tape_.text_;
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = std::min(text.find('\n', begin), text.size());
      std::string_view line = text.substr(begin, end - begin);
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (!line.empty()) add_line(line);
      begin = end + 1;
    }
    measure();
  }

 private:
  void add_line(std::string_view line) {
    const TapeLine read = read_tape_line(line);
    Frame frame;
    frame.begin = static_cast<std::size_t>(read.frame.data() - tape_.text_.data());
    frame.size = read.frame.size();
    frame.first_trade = tape_.trades_.size();
    const ParsedFrame& parsed = parser_.parse(read.frame);
    std::optional<std::int64_t> newest_ms;
    if (find_pieces(read.frame, parsed, pieces_)) {
      for (const TradePiece& piece : pieces_) {
        tape_.trades_.push_back(
            {piece.begin, piece.end, piece.time_begin, piece.time_end, piece.time_ms, symbol_id(piece.symbol)});
      }
      for (const Trade& trade : parsed.trades) newest_ms = std::max(newest_ms, std::optional(trade.event_time_ms));
      frame.trade_count = pieces_.size();
    }
    stamp(frame, read.received_ns, newest_ms);
    if (newest_ms) note_times(frame.received_ns, parsed);
    tape_.frames_.push_back(frame);
  }

  void stamp(Frame& frame, std::optional<std::int64_t> received_ns, std::optional<std::int64_t> newest_ms) {
    if (!received_ns && newest_ms) received_ns = *newest_ms * kNsPerMs;
    if (!last_ns_ && received_ns) {
      // Lines before the first known time are as old as that.
      for (Frame& earlier : tape_.frames_) earlier.received_ns = *received_ns;
      last_ns_ = *received_ns - 1;
    }
    if (!last_ns_) return;
    last_ns_ = std::max(*last_ns_ + 1, received_ns.value_or(*last_ns_ + 1));
    frame.received_ns = *last_ns_;
  }

  void note_times(std::int64_t received_ns, const ParsedFrame& parsed) {
    for (const Trade& trade : parsed.trades) {
      oldest_ms_ = std::min(oldest_ms_, trade.event_time_ms);
      newest_ms_ = std::max(newest_ms_, trade.event_time_ms);
      smallest_lag_ns_ = std::min(smallest_lag_ns_, received_ns - trade.event_time_ms * kNsPerMs);
    }
  }

  std::uint32_t symbol_id(std::string_view symbol) {
    const auto [found, added] =
        ids_.try_emplace(std::string(symbol), static_cast<std::uint32_t>(tape_.symbols_.size()));
    if (added) tape_.symbols_.emplace_back(symbol);
    return found->second;
  }

  void measure() {
    if (tape_.frames_.empty()) return;
    std::vector<std::int64_t> gaps;
    for (std::size_t i = 1; i < tape_.frames_.size(); ++i) {
      gaps.push_back(tape_.frames_[i].received_ns - tape_.frames_[i - 1].received_ns);
    }
    std::int64_t gap_ns = kGapOfOneFrameNs;
    if (!gaps.empty()) {
      const auto middle = gaps.begin() + static_cast<std::ptrdiff_t>(gaps.size() / 2);
      std::ranges::nth_element(gaps, middle);
      gap_ns = std::max(*middle, kNsPerMs);
    }
    std::int64_t loop_ms = ceil_ms(tape_.frames_.back().received_ns - tape_.frames_.front().received_ns + gap_ns);
    if (newest_ms_ >= oldest_ms_) {
      loop_ms = std::max(loop_ms, newest_ms_ - oldest_ms_ + 1);
      tape_.smallest_lag_ns_ = smallest_lag_ns_;
    }
    tape_.loop_ns_ = loop_ms * kNsPerMs;
  }

  LoopedTape& tape_;
  FrameParser parser_;
  std::vector<TradePiece> pieces_;
  std::unordered_map<std::string, std::uint32_t> ids_;
  std::optional<std::int64_t> last_ns_;
  std::int64_t oldest_ms_ = std::numeric_limits<std::int64_t>::max();
  std::int64_t newest_ms_ = std::numeric_limits<std::int64_t>::min();
  std::int64_t smallest_lag_ns_ = std::numeric_limits<std::int64_t>::max();
};

Result<std::shared_ptr<const LoopedTape>> LoopedTape::parse(std::string text) {
  if (text.size() > kMaxBytes) return fail(too_large(text.size()));
  std::shared_ptr<LoopedTape> tape(new LoopedTape);
  tape->text_ = std::move(text);
  Loader(*tape).load();
  if (tape->frames_.empty()) return fail(ErrorCode::kBadSetting, "the tape has no frame");
  return tape;
}

Result<std::shared_ptr<const LoopedTape>> LoopedTape::read(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) return fail(ErrorCode::kNotFound, path);
  if (!fs::is_regular_file(status)) return fail(ErrorCode::kIo, fmt::format("{}: not a plain file", path));
  const std::uintmax_t size = fs::file_size(path, error);
  std::ifstream file(path, std::ios::binary);
  if (error || !file) return fail(ErrorCode::kIo, fmt::format("{}: cannot be opened", path));
  if (size > kMaxBytes) return fail(ErrorCode::kBadSetting, fmt::format("{}: {}", path, too_large(size).detail));
  std::string text(size, '\0');
  file.read(text.data(), static_cast<std::streamsize>(size));
  if (static_cast<std::uintmax_t>(file.gcount()) != size) {
    return fail(ErrorCode::kIo, fmt::format("{}: cannot be read", path));
  }
  auto tape = parse(std::move(text));
  if (!tape) return fail(tape.error().code, fmt::format("{}: {}", path, tape.error().detail));
  return tape;
}

std::int64_t LoopedTape::due_ns(Position position) const {
  return position.loop * loop_ns_ + (frames_[position.frame].received_ns - frames_.front().received_ns);
}

LoopedTape::Position LoopedTape::at(std::int64_t offset_ns) const {
  const std::int64_t loop = floor_div(offset_ns, loop_ns_);
  const std::int64_t received_ns = frames_.front().received_ns + (offset_ns - loop * loop_ns_);
  const auto found = std::ranges::lower_bound(frames_, received_ns, {}, &Frame::received_ns);
  if (found == frames_.end()) return {loop + 1, 0};
  return {loop, static_cast<std::size_t>(found - frames_.begin())};
}

LoopedTape::Position LoopedTape::next(Position position) const {
  if (position.frame + 1 < frames_.size()) return {position.loop, position.frame + 1};
  return {position.loop + 1, 0};
}

std::int64_t LoopedTape::recorded_shift_ms(Position position) const { return position.loop * loop_ns_ / kNsPerMs; }

std::int64_t LoopedTape::rebased_shift_ms(Position position, std::int64_t delivered_ns) const {
  return floor_div(delivered_ns - frames_[position.frame].received_ns + smallest_lag_ns_, kNsPerMs);
}

void LoopedTape::render(std::size_t index, std::int64_t shift_ms, Rendered& out) const {
  const Frame& frame = frames_[index];
  const std::string_view text = std::string_view(text_).substr(frame.begin, frame.size);
  out.text.clear();
  out.trades.clear();
  // Nothing moves in memory while the views are made.
  out.text.reserve(text.size() + frame.trade_count * kMaxTimeChars);
  std::size_t copied = 0;
  const auto copy_to = [&](std::size_t end) {
    out.text += text.substr(copied, end - copied);
    copied = end;
  };
  for (std::size_t i = 0; i < frame.trade_count; ++i) {
    const TradeAt& trade = trades_[frame.first_trade + i];
    copy_to(trade.begin);
    const std::size_t begin = out.text.size();
    if (trade.time_end != 0) {
      copy_to(trade.time_begin);
      char digits[kMaxTimeChars];
      const auto written = std::to_chars(digits, digits + kMaxTimeChars, trade.time_ms + shift_ms);
      out.text.append(digits, written.ptr);
      copied = trade.time_end;
    }
    copy_to(trade.end);
    out.trades.push_back({symbols_[trade.symbol], {out.text.data() + begin, out.text.size() - begin}});
  }
  copy_to(text.size());
}

}  // namespace finpipe
