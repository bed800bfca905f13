#include "mortal_ports.h"

#include <utility>

namespace finpipe::simulation {

MortalLogWriter::MortalLogWriter(MemoryLog& log, Fuse& fuse, Random& random, std::size_t max_pending_bytes)
    : writer_(log.writer(std::size_t{1} << 30)), fuse_(fuse), random_(random), max_pending_bytes_(max_pending_bytes) {}

LogWriter::Append MortalLogWriter::append(std::int32_t partition, std::span<const LogRecord> records) {
  if (!fuse_.survives()) return Append::kAccepted;
  std::size_t bytes = 0;
  for (const LogRecord& record : records) bytes += record.value.size();
  if (pending_bytes_ > 0 && pending_bytes_ + bytes > max_pending_bytes_) return Append::kFull;
  pending_bytes_ += bytes;
  for (const LogRecord& record : records) {
    pending_.push_back({partition, record.type, record.key ? std::optional<std::string>(*record.key) : std::nullopt,
                        std::string(record.value)});
  }
  return Append::kAccepted;
}

Result<std::span<const LogWriter::Acknowledged>> MortalLogWriter::poll() {
  const bool was_dead = fuse_.dead();
  const bool survives = fuse_.survives();
  // Each partition has a file of its own, of which the beginning is there.
  std::vector<bool> ends(static_cast<std::size_t>(partitions()), was_dead);
  std::size_t written = 0;
  for (const Pending& record : pending_) {
    auto&& ended = ends[static_cast<std::size_t>(record.partition)];
    if (!survives && !ended) ended = random_.chance(0.2);
    if (ended) continue;
    const LogRecord view{record.type, record.key ? std::optional<std::string_view>(*record.key) : std::nullopt,
                         record.value};
    (void)writer_->append(record.partition, {&view, 1});
    ++written;
  }
  torn_ = torn_ || (written > 0 && written < pending_.size());
  pending_.clear();
  pending_bytes_ = 0;
  auto acknowledged = writer_->poll();
  if (!survives) return fail(ErrorCode::kIo, "the process was killed");
  late_ = random_.chance(0.9);
  if (late_) return std::span<const Acknowledged>();
  return acknowledged;
}

}  // namespace finpipe::simulation
