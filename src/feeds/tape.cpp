#include "feeds/tape.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/hash.h"
#include "codec/finnhub_frame.h"
#include "codec/tape_line.h"

namespace finpipe {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBufferBytes = std::size_t{4} << 20;
constexpr std::size_t kIdentityBytes = std::size_t{64} << 10;

static_assert(kBufferBytes > 2 * kMaxFrameBytes, "a line that fills the buffer is certainly too long");

}  // namespace

TapeFeed::TapeFeed(std::string path, std::ifstream file, std::uint64_t size)
    : path_(std::move(path)), file_(std::move(file)), size_(size), buffer_(kBufferBytes) {}

Result<std::unique_ptr<TapeFeed>> TapeFeed::open(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) return fail(ErrorCode::kNotFound, path);
  if (!fs::is_regular_file(status)) return fail(ErrorCode::kIo, fmt::format("{}: not a plain file", path));
  const std::uint64_t size = fs::file_size(path, error);
  std::ifstream file(path, std::ios::binary);
  if (error || !file) return fail(ErrorCode::kIo, fmt::format("{}: cannot be opened", path));
  std::unique_ptr<TapeFeed> feed(new TapeFeed(path, std::move(file), size));
  FINPIPE_TRY(feed->refill());
  feed->source_id_ = sha256_hex({feed->buffer_.data(), std::min(feed->end_, kIdentityBytes)});
  return feed;
}

Result<void> TapeFeed::refill() {
  std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
  file_.read(buffer_.data() + end_, static_cast<std::streamsize>(buffer_.size() - end_));
  if (file_.bad()) return fail(ErrorCode::kIo, fmt::format("{}: cannot be read at byte {}", path_, read_bytes_));
  const auto count = static_cast<std::size_t>(file_.gcount());
  end_ += count;
  read_bytes_ += count;
  file_ended_ = file_.eof();
  return {};
}

Result<FeedBatch> TapeFeed::poll(std::size_t max_frames) {
  frames_.clear();
  take_lines(max_frames);
  // The frames are views of the buffer, so it may move only while there are none.
  while (frames_.empty() && max_frames > 0 && !file_ended_) {
    FINPIPE_TRY(refill());
    take_lines(max_frames);
  }
  if (file_ended_ && frames_.size() < max_frames) take_rest();
  return FeedBatch{frames_, file_ended_ && begin_ == end_};
}

void TapeFeed::take_lines(std::size_t max_frames) {
  while (frames_.size() < max_frames) {
    const char* const unread = buffer_.data() + begin_;
    const auto* const newline = static_cast<const char*>(std::memchr(unread, '\n', end_ - begin_));
    if (newline != nullptr) {
      const auto length = static_cast<std::size_t>(newline - unread);
      begin_ += length + 1;
      if (!std::exchange(skipping_, false)) take_line({unread, length}, true);
      continue;
    }
    if (skipping_) {
      begin_ = end_;
    } else if (end_ - begin_ == buffer_.size()) {
      skipping_ = true;
      begin_ = end_;
      take_line({unread, buffer_.size()}, true);
    }
    return;
  }
}

// What is left behind the last newline of the file.
void TapeFeed::take_rest() {
  if (std::memchr(buffer_.data() + begin_, '\n', end_ - begin_) != nullptr) return;
  const std::string_view rest(buffer_.data() + begin_, end_ - begin_);
  begin_ = end_;
  if (!rest.empty() && !skipping_) take_line(rest, false);
}

void TapeFeed::take_line(std::string_view line, bool complete) {
  ++line_;
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.empty()) return;
  const TapeLine read = read_tape_line(line);
  FeedFrame& frame = frames_.emplace_back(read.frame, read.received_ns, line_);
  if (frame.bytes.size() > kMaxFrameBytes) {
    frame.damage = ErrorCode::kFrameTooLarge;
    frame.bytes = frame.bytes.substr(0, kKeptFrameBytes);
  } else if (!complete && !line.ends_with('}')) {
    frame.damage = ErrorCode::kTornTapeLine;
  } else if (read.bad) {
    frame.damage = ErrorCode::kBadTapeLine;
  }
}

std::optional<double> TapeFeed::progress() const {
  if (size_ == 0) return 1.0;
  const auto done = static_cast<double>(read_bytes_ - (end_ - begin_));
  return std::min(1.0, done / static_cast<double>(size_));
}

}  // namespace finpipe
