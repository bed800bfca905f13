#include "simulator/record.h"

#include <fmt/format.h>

#include <utility>

#include "telemetry/log.h"

namespace finpipe {

Result<SimulatorRecord> SimulatorRecord::open(const std::string& path) {
  if (path.empty()) return SimulatorRecord(nullptr);
  std::unique_ptr<std::FILE, Close> file(std::fopen(path.c_str(), "ae"));
  if (file == nullptr) return fail(ErrorCode::kIo, fmt::format("{}: cannot be written", path));
  return SimulatorRecord(std::move(file));
}

void SimulatorRecord::write(std::int64_t at_ns, std::string_view members) {
  std::string line = fmt::format("{{\"n\":{},\"at\":{},{}}}\n", ++lines_, at_ns, members);
  if (file_ != nullptr && !damaged_) {
    const bool written = std::fwrite(line.data(), 1, line.size(), file_.get()) == line.size();
    if (!written || std::fflush(file_.get()) != 0) {
      damaged_ = true;
      log_error("the record cannot be written any more", {{"line", fmt::to_string(lines_)}});
    }
  }
  kept_bytes_ += line.size();
  kept_.push_back(std::move(line));
  while (kept_bytes_ > kMaxKeptBytes) {
    kept_bytes_ -= kept_.front().size();
    kept_.pop_front();
  }
}

std::string SimulatorRecord::lines_after(std::int64_t after) const {
  std::string text;
  std::int64_t number = lines_ - static_cast<std::int64_t>(kept_.size());
  for (const std::string& line : kept_) {
    if (++number > after) text += line;
  }
  return text;
}

}  // namespace finpipe
