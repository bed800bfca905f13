// A tape, read in polls of any size, against a reader that cuts the whole text at its newlines. The first byte says how
// many frames a poll takes; from 240 on it lets each byte 1 of what follows stand for 600 KiB, for lines that are too
// long.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <vector>

#include "base/int128.h"
#include "base/time.h"
#include "codec/finnhub_frame.h"
#include "feeds/tape.h"
#include "harness.h"

namespace finpipe {
namespace {

constexpr std::size_t kStretchBytes = std::size_t{600} << 10;
constexpr int kMaxStretches = 9;  // more than the feed's buffer
constexpr std::size_t kKeptBytes = std::size_t{64} << 10;

struct Frame {
  std::int64_t position = 0;
  std::optional<std::int64_t> received_ns;
  std::optional<ErrorCode> damage;
  std::string bytes;
  bool operator==(const Frame&) const = default;
};

std::string stretched(std::string_view text) {
  std::string out;
  int left = kMaxStretches;
  for (const char c : text) {
    const bool stretch = c == '\1' && left > 0;
    out.append(stretch ? kStretchBytes : 1, stretch ? 'x' : c);
    if (stretch) --left;
  }
  return out;
}

// The receive time in front of a frame; nullopt: there is none, or none from 2000 to 2255.
std::optional<std::int64_t> stamp_of(std::string_view line) {
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos || space + 1 == line.size()) return std::nullopt;
  uint128 value = 0;
  for (const char c : line.substr(0, space)) {
    if (std::isdigit(static_cast<unsigned char>(c)) == 0) return std::nullopt;
    value = std::min<uint128>(value * 10 + static_cast<uint128>(c - '0'), uint128{1} << 100);
  }
  const uint128 first = static_cast<uint128>(kYear2000Ms) * 1'000'000;
  if (value < first || value > uint128{9'000'000'000} * 1'000'000'000) return std::nullopt;
  return static_cast<std::int64_t>(value);
}

Frame frame_of(std::string_view line, std::int64_t position, bool torn) {
  Frame frame{position, std::nullopt, std::nullopt, {}};
  if (std::string_view("+-0123456789").find(line.front()) != std::string_view::npos) {
    frame.received_ns = stamp_of(line);
    if (frame.received_ns) {
      line.remove_prefix(line.find(' ') + 1);
    } else {
      frame.damage = ErrorCode::kBadTapeLine;
    }
  }
  if (torn && !line.ends_with('}')) frame.damage = ErrorCode::kTornTapeLine;
  if (line.size() > kMaxFrameBytes) frame.damage = ErrorCode::kFrameTooLarge;
  frame.bytes = line.substr(0, line.size() > kMaxFrameBytes ? kKeptBytes : line.size());
  return frame;
}

std::vector<Frame> simple_read(const std::string& tape) {
  std::vector<Frame> frames;
  std::int64_t position = 0;
  for (std::size_t begin = 0; begin < tape.size();) {
    const std::size_t end = std::min(tape.find('\n', begin), tape.size());
    std::string_view line = std::string_view(tape).substr(begin, end - begin);
    ++position;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) frames.push_back(frame_of(line, position, end == tape.size()));
    begin = end + 1;
  }
  return frames;
}

std::vector<Frame> read_feed(Feed& feed, std::size_t per_poll) {
  std::vector<Frame> frames;
  double progress = 0;
  for (bool end = false; !end;) {
    const auto batch = feed.poll(per_poll);
    if (!batch) fuzz::differ(batch.error().message());
    for (const FeedFrame& frame : batch->frames) {
      frames.push_back({frame.position, frame.received_ns, frame.damage, std::string(frame.bytes)});
      if (fuzz::canary() != 0 && frame.damage == ErrorCode::kBadTapeLine) frames.back().damage.reset();
    }
    fuzz::require(batch->frames.size() <= per_poll, "a poll gave more frames than it was asked for");
    fuzz::require(batch->end || !batch->frames.empty(), "a poll gave nothing before the end");
    fuzz::require(feed.progress() >= progress && feed.progress() <= 1.0, "progress went back");
    progress = feed.progress().value_or(-1);
    end = batch->end;
  }
  fuzz::require(progress == 1.0, "the end is not the whole");
  return frames;
}

// A file that is never on a disk.
class MemoryFile {
 public:
  explicit MemoryFile(const std::string& content) : file_(::memfd_create("tape", 0)) {
    fuzz::require(::write(file_, content.data(), content.size()) == static_cast<ssize_t>(content.size()),
                  "there is no room for a tape");
  }
  ~MemoryFile() { ::close(file_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  [[nodiscard]] std::string path() const { return fmt::format("/proc/self/fd/{}", file_); }

 private:
  int file_;
};

}  // namespace
}  // namespace finpipe

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace finpipe;
  fuzz::Script script({data, size});
  const std::uint8_t how = script.byte();
  const std::size_t per_poll = 1 + how % 40;
  const std::string tape = how < 240 ? std::string(script.rest()) : stretched(script.rest());
  const MemoryFile file(tape);
  auto feed = TapeFeed::open(file.path());
  if (!feed) fuzz::differ(feed.error().message());
  const std::vector<Frame> told = read_feed(**feed, per_poll);
  const std::vector<Frame> expected = simple_read(tape);
  for (std::size_t i = 0; i < std::max(told.size(), expected.size()); ++i) {
    if (i >= told.size() || i >= expected.size() || told[i] != expected[i]) {
      fuzz::differ(fmt::format("frame {} of {} (feed) and {} (simple reader)", i, told.size(), expected.size()));
    }
  }
  return 0;
}
