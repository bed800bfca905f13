#include "log_subject.h"

#include <stdexcept>
#include <utility>

namespace finpipe::kafka_test {
namespace {

class Subject final : public LogSubject {
 public:
  Subject(const KafkaOptions& options, bool reopens, std::chrono::milliseconds delay)
      : options_(options), reopens_(reopens), delay_(delay), log_(open_log(options)) {}

  [[nodiscard]] LogWriter& writer() override { return log_->writer(); }
  [[nodiscard]] std::unique_ptr<LogReader> reader() override { return log_->reader(); }
  [[nodiscard]] std::unique_ptr<DeadLetters> dead_letters() override { return log_->dead_letters(); }
  [[nodiscard]] std::unique_ptr<DeadLetterQuery> dead_letter_query() override { return log_->dead_letter_query(); }
  [[nodiscard]] std::int64_t first_offset() const override { return 1; }  // after the record that states the log id
  [[nodiscard]] std::chrono::milliseconds delay() const override { return delay_; }
  void rest() override {
    if (!reopens_) return;
    log_.reset();
    log_ = open_log(options_);
  }

 private:
  KafkaOptions options_;
  bool reopens_;
  std::chrono::milliseconds delay_;
  std::unique_ptr<KafkaLog> log_;
};

}  // namespace

std::unique_ptr<KafkaLog> open_log(const KafkaOptions& options) {
  auto log = KafkaLog::open(options);
  if (!log) throw std::runtime_error(log.error().message());
  return *std::move(log);
}

std::unique_ptr<LogSubject> log_subject(const KafkaOptions& options, bool reopens, std::chrono::milliseconds delay) {
  return std::make_unique<Subject>(options, reopens, delay);
}

}  // namespace finpipe::kafka_test
