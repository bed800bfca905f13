// Plays a recorded tape: a text file of `[<receive time in ns> ]<frame>` lines. The whole file is read once, in order,
// with bounded memory; a line that is no frame comes out with what is wrong with it, and the rest goes on.
#pragma once

#include <cstdint>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "pipeline/ports.h"

namespace finpipe {

class TapeFeed final : public Feed {
 public:
  // Errors: kNotFound; kIo when it is no file or cannot be read.
  [[nodiscard]] static Result<std::unique_ptr<TapeFeed>> open(const std::string& path);

  [[nodiscard]] std::string_view origin() const override { return "tape"; }
  // SHA-256 of the file's first 64 KiB, or of all of a shorter one.
  [[nodiscard]] std::string_view source_id() const override { return source_id_; }

  // Lines in the file's order; empty ones are passed over but have a number. A valid receive time is that of a damaged
  // frame too, and not in its bytes. Damage, the last that holds:
  //   kBadTapeLine    it begins like a receive time but has none from the years 2000 to 2255, or no frame behind it
  //   kTornTapeLine   the file ends inside the line: no newline behind it, and no `}` either
  //   kFrameTooLarge  the frame has more than 1 MiB; `bytes` are its first 64 KiB
  // Error: kIo; the feed cannot go on then.
  [[nodiscard]] Result<FeedBatch> poll(std::size_t max_frames) override;
  [[nodiscard]] std::optional<double> progress() const override;

 private:
  TapeFeed(std::string path, std::ifstream file, std::uint64_t size);

  // Moves the unread part to the front and reads more behind it.
  [[nodiscard]] Result<void> refill();
  // Cuts lines that lie in the buffer into frames_.
  void take_lines(std::size_t max_frames);
  void take_rest();
  void take_line(std::string_view line, bool complete);

  std::string path_;
  std::ifstream file_;
  std::uint64_t size_;
  std::string source_id_;

  std::vector<char> buffer_;
  std::size_t begin_ = 0;  // the unread part of the buffer
  std::size_t end_ = 0;
  bool file_ended_ = false;
  bool skipping_ = false;  // inside a line that is too long: drop up to its end
  std::uint64_t read_bytes_ = 0;
  std::int64_t line_ = 0;
  std::vector<FeedFrame> frames_;
};

}  // namespace finpipe
