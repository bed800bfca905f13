#include "pipeline_run.h"

#include <cstdlib>
#include <fstream>
#include <stdexcept>

#include "base/clock.h"
#include "codec/policy_file.h"
#include "feeds/tape.h"
#include "pipeline/ingest.h"
#include "pipeline/processor.h"

namespace finpipe {

TemporaryDirectory::TemporaryDirectory() {
  std::string name = testing::TempDir() + "/finpipe_damage_XXXXXX";
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary directory");
  path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() { std::filesystem::remove_all(path_); }

std::string data_file(std::string_view name) { return std::string(FINPIPE_SOURCE_DIR "/data/").append(name); }

void copy_lines(std::string_view name, std::size_t lines, const std::filesystem::path& target) {
  std::ifstream in(data_file(name));
  std::ofstream out(target);
  std::string line;
  for (std::size_t i = 0; i < lines && std::getline(in, line); ++i) out << line << '\n';
}

void ingest_tape(const std::filesystem::path& tape, LogReader& tail, LogWriter& writer, DeadLetters& dead_letters) {
  auto feed = TapeFeed::open(tape.string());
  ASSERT_TRUE(feed) << feed.error().message();
  auto policies = bundled_policies();
  ASSERT_TRUE(policies) << policies.error().message();
  IngestOptions options;
  options.policies = *policies;
  Ingest ingest(**feed, tail, writer, dead_letters, options);
  const auto started = ingest.start();
  ASSERT_TRUE(started) << started.error().message();
  for (bool more = true; more;) {
    const auto stepped = ingest.step();
    ASSERT_TRUE(stepped) << stepped.error().message();
    more = *stepped;
  }
}

void process_all(LogReader& reader, Store& store, DeadLetters& dead_letters, std::int64_t commit_records) {
  ManualClock clock(0);
  ProcessorOptions options;
  options.commit_records = commit_records;
  options.records_per_row = 1;
  Processor processor(reader, store, dead_letters, clock, options);
  for (bool done = false; !done;) {
    const auto applied = processor.step();
    ASSERT_TRUE(applied) << applied.error().message();
    const auto caught_up = processor.caught_up();
    ASSERT_TRUE(caught_up) << caught_up.error().message();
    done = *caught_up;
  }
  for (bool done = false; !done;) {
    const auto finished = processor.finish();
    ASSERT_TRUE(finished) << finished.error().message();
    done = *finished;
  }
}

VerifyReport verified(Query& store, LogReader& reader, DeadLetterQuery& dead_letters) {
  auto report = verify(store, reader, dead_letters);
  if (report) return *std::move(report);
  ADD_FAILURE() << report.error().message();
  return {};
}

std::string text_of(const VerifyReport& report) {
  std::string text;
  for (const Difference& difference : report.first) text += difference.kind + ": " + difference.what + "\n";
  return text;
}

std::vector<std::string> kinds_of(const VerifyReport& report) {
  std::vector<std::string> kinds;
  for (const Difference& difference : report.first) kinds.push_back(difference.kind);
  return kinds;
}

std::unique_ptr<MemoryLogReader> MemoryRun::reader() {
  std::vector<std::int32_t> all;
  for (std::int32_t p = 0; p < log.partitions(); ++p) all.push_back(p);
  return log.reader(all);
}

void MemoryRun::ingest(const std::filesystem::path& tape) {
  ingest_tape(tape, *reader(), *writer, *log.dead_letters());
}

void MemoryRun::process() { process_all(*reader(), store, *log.dead_letters()); }

VerifyReport MemoryRun::verify() { return verified(store, *reader(), *log.dead_letter_query()); }

void MemoryRun::append(std::int32_t partition, const LogRecord& record) {
  ASSERT_EQ(writer->append(partition, {&record, 1}), LogWriter::Append::kAccepted);
  ASSERT_TRUE(writer->poll());
}

}  // namespace finpipe
