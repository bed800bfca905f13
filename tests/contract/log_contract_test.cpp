// The logs that need no server, each under the contract of log_contract.h.
#include "log_contract.h"

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <utility>
#include <vector>

#include "base/random.h"
#include "logs/embedded_log.h"
#include "logs/memory_log.h"

namespace finpipe {
namespace {

class MemorySubject final : public LogSubject {
 public:
  MemorySubject(std::int32_t partitions, std::size_t max_pending_bytes)
      : log_(partitions, random_id()), writer_(log_.writer(max_pending_bytes)) {}

  [[nodiscard]] LogWriter& writer() override { return *writer_; }
  [[nodiscard]] std::unique_ptr<LogReader> reader() override {
    std::vector<std::int32_t> all;
    for (std::int32_t p = 0; p < log_.partitions(); ++p) all.push_back(p);
    return log_.reader(all);
  }
  [[nodiscard]] std::unique_ptr<DeadLetters> dead_letters() override { return log_.dead_letters(); }
  [[nodiscard]] std::unique_ptr<DeadLetterQuery> dead_letter_query() override { return log_.dead_letter_query(); }

 private:
  MemoryLog log_;
  std::unique_ptr<LogWriter> writer_;
};

class EmbeddedSubject final : public LogSubject {
 public:
  EmbeddedSubject(std::int32_t partitions, std::size_t max_pending_bytes, bool reopens)
      : options_{.partitions = partitions, .max_pending_bytes = max_pending_bytes}, reopens_(reopens) {
    std::string name = testing::TempDir() + "/finpipe_log_contract_XXXXXX";
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary directory");
    path_ = name;
    open();
  }
  ~EmbeddedSubject() override {
    log_.reset();
    std::filesystem::remove_all(path_);
  }

  [[nodiscard]] LogWriter& writer() override { return log_->writer(); }
  [[nodiscard]] std::unique_ptr<LogReader> reader() override { return log_->reader(); }
  [[nodiscard]] std::unique_ptr<DeadLetters> dead_letters() override { return log_->dead_letters(); }
  [[nodiscard]] std::unique_ptr<DeadLetterQuery> dead_letter_query() override { return log_->dead_letter_query(); }
  void rest() override {
    if (!reopens_) return;
    log_.reset();
    open();
  }

 private:
  void open() {
    auto opened = EmbeddedLog::open(path_, options_);
    if (!opened) throw std::runtime_error(opened.error().message());
    log_ = *std::move(opened);
  }

  std::string path_;
  EmbeddedLogOptions options_;
  bool reopens_;
  std::unique_ptr<EmbeddedLog> log_;
};

template <typename Subject, auto... extra>
std::unique_ptr<LogSubject> make(std::int32_t partitions, std::size_t max_pending_bytes) {
  return std::make_unique<Subject>(partitions, max_pending_bytes, extra...);
}

INSTANTIATE_TEST_SUITE_P(Logs, LogContract,
                         testing::Values(LogFactory{"Memory", make<MemorySubject>},
                                         LogFactory{"Embedded", make<EmbeddedSubject, false>},
                                         LogFactory{"EmbeddedReopened", make<EmbeddedSubject, true>}),
                         [](const auto& factory) { return factory.param.name; });

}  // namespace
}  // namespace finpipe
