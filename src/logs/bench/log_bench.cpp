// The embedded log against bare RocksDB, in the same run: trades of about 80 bytes in batches of about 1 MB, each
// synced; then a scan of all. The rival is opened with the options that the log itself has written down and gets its
// batches ready-made, twice:
//   ratio         log time / time of the rival with a key for each record, which is the plain way to do it
//   chunks_ratio  log time / time of the rival with exactly the log's own keys and values: what the port costs
#include <benchmark/benchmark.h>
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/utilities/options_util.h>
#include <rocksdb/write_batch.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/random.h"
#include "logs/embedded_log.h"

namespace finpipe {
namespace {

constexpr std::size_t kRecordsPerBatch = 12'500;
constexpr std::size_t kValueBytes = 65;

std::size_t batches() { return std::getenv("FINPIPE_BENCH_SMALL") != nullptr ? 2 : 160; }

double seconds(const auto& work) {
  const auto from = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - from).count();
}

void check(bool ok, const std::string& what) {
  if (!ok) throw std::runtime_error(what);
}
void check(const rocksdb::Status& status) { check(status.ok(), status.ToString()); }

class TempDir {
 public:
  TempDir() : path_((std::filesystem::temp_directory_path() / "finpipe_log_bench_XXXXXX").string()) {
    check(mkdtemp(path_.data()) != nullptr, "no temporary directory");
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  [[nodiscard]] std::string path(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// One batch of trades, whose values are half repeated bytes and half noise, as Avro trades are.
struct Input {
  Input() {
    Random random(7);
    values.reserve(kRecordsPerBatch);
    for (std::size_t i = 0; i < kRecordsPerBatch; ++i) {
      std::string value(kValueBytes, '\0');
      for (std::size_t at = 0; at < value.size() / 2; ++at) value[at] = static_cast<char>(random.next());
      values.push_back(std::move(value));
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
      records.push_back({RecordType::kTrade, i % 2 == 0 ? "BINANCE:BTCUSDT" : "BINANCE:ETHUSDT", values[i]});
    }
  }
  std::vector<std::string> values;
  std::vector<LogRecord> records;
};

std::unique_ptr<EmbeddedLog> open_log(const std::string& path) {
  auto log = EmbeddedLog::open(path, {});
  check(log.has_value(), log ? "" : log.error().message());
  return *std::move(log);
}

void append_all(EmbeddedLog& log, const Input& input) {
  LogWriter& writer = log.writer();
  for (std::size_t i = 0; i < batches(); ++i) {
    check(writer.append(0, input.records) == LogWriter::Append::kAccepted, "log is full");
    check(writer.poll().has_value(), "poll failed");
  }
}

std::size_t scan_all(EmbeddedLog& log) {
  const auto reader = log.reader();
  check(reader->seek(0, 0).has_value(), "seek failed");
  std::size_t records = 0;
  while (true) {
    const auto read = reader->poll(std::size_t{1} << 20);
    check(read.has_value(), "poll failed");
    if (read->batches.empty()) return records;
    for (const auto& batch : read->batches) {
      for (const LogRecord& record : batch.records) benchmark::DoNotOptimize(record.value.back());
      records += batch.records.size();
    }
  }
}

// RocksDB as the log at `path` has it, in another directory.
class Rival {
 public:
  Rival(const std::string& log_path, const std::string& path) {
    rocksdb::DBOptions options;
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    auto cache = rocksdb::NewLRUCache(std::size_t{16} << 20);
    check(rocksdb::LoadLatestOptions(rocksdb::ConfigOptions(), log_path, &options, &families, &cache));
    rocksdb::DB* raw = nullptr;
    check(rocksdb::DB::Open(options, path, families, &handles_, &raw));
    db_.reset(raw);
  }
  ~Rival() {
    for (auto* handle : handles_) db_->DestroyColumnFamilyHandle(handle);
  }
  Rival(const Rival&) = delete;
  Rival& operator=(const Rival&) = delete;

  // A key of 12 bytes for each record; the value is a flags byte, the key's length and text, the value.
  [[nodiscard]] std::vector<rocksdb::WriteBatch> record_batches(const Input& input) const {
    std::vector<rocksdb::WriteBatch> all(batches());
    std::uint64_t offset = 0;
    for (rocksdb::WriteBatch& batch : all) {
      for (const LogRecord& record : input.records) {
        std::string key(4, '\0');
        for (int shift = 56; shift >= 0; shift -= 8) key += static_cast<char>(offset >> shift);
        ++offset;
        check(batch.Put(handles_[1], key, "\2\x0f" + std::string(*record.key) + std::string(record.value)));
      }
    }
    return all;
  }
  // What a closed log holds, in as many batches as it was written with.
  [[nodiscard]] std::vector<rocksdb::WriteBatch> chunk_batches(const std::string& log_path) const {
    const Rival log(log_path, log_path);
    const std::unique_ptr<rocksdb::Iterator> it(log.db_->NewIterator({}, log.handles_[1]));
    std::size_t chunks = 0;
    for (it->SeekToFirst(); it->Valid(); it->Next()) ++chunks;
    std::vector<rocksdb::WriteBatch> all(batches());
    std::size_t chunk = 0;
    for (it->SeekToFirst(); it->Valid(); it->Next(), ++chunk) {
      check(all[chunk * all.size() / chunks].Put(handles_[1], it->key(), it->value()));
    }
    return all;
  }
  void write_all(std::vector<rocksdb::WriteBatch>& all) {
    rocksdb::WriteOptions options;
    options.sync = true;
    for (rocksdb::WriteBatch& batch : all) check(db_->Write(options, &batch));
  }
  void scan_all() const {
    rocksdb::ReadOptions options;
    options.fill_cache = false;
    const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options, handles_[1]));
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      const rocksdb::Slice value = it->value();
      benchmark::DoNotOptimize(value[value.size() - 1]);
    }
  }

 private:
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;
};

struct Times {
  double log_s = 0;
  double records_s = 0;
  double chunks_s = 0;

  void report(benchmark::State& state) const {
    const auto records = static_cast<double>(kRecordsPerBatch * batches()) * static_cast<double>(state.iterations());
    state.counters["records_per_s"] = records / log_s;
    state.counters["rocksdb_records_per_s"] = records / records_s;
    state.counters["ratio"] = log_s / records_s;
    state.counters["chunks_ratio"] = log_s / chunks_s;
  }
};

void BM_LogAppendAgainstRocksDb(benchmark::State& state) {
  const Input input;
  Times times;
  for (auto _ : state) {
    const TempDir dir;
    {
      const auto log = open_log(dir.path("log"));
      const double s = seconds([&] { append_all(*log, input); });
      times.log_s += s;
      state.SetIterationTime(s);
    }
    {
      Rival rival(dir.path("log"), dir.path("chunks"));
      auto ready = rival.chunk_batches(dir.path("log"));
      times.chunks_s += seconds([&] { rival.write_all(ready); });
    }
    Rival rival(dir.path("log"), dir.path("records"));
    auto ready = rival.record_batches(input);
    times.records_s += seconds([&] { rival.write_all(ready); });
  }
  times.report(state);
}
BENCHMARK(BM_LogAppendAgainstRocksDb)->UseManualTime()->Unit(benchmark::kMillisecond);

void BM_LogScanAgainstRocksDb(benchmark::State& state) {
  const Input input;
  const TempDir dir;
  append_all(*open_log(dir.path("log")), input);
  Rival chunks(dir.path("log"), dir.path("chunks"));
  Rival records(dir.path("log"), dir.path("records"));
  {
    auto ready = chunks.chunk_batches(dir.path("log"));
    chunks.write_all(ready);
    ready = records.record_batches(input);
    records.write_all(ready);
  }
  const auto log = open_log(dir.path("log"));
  Times times;
  for (auto _ : state) {
    std::size_t scanned = 0;
    const double s = seconds([&] { scanned = scan_all(*log); });
    check(scanned == kRecordsPerBatch * batches(), "the scan missed records");
    times.log_s += s;
    state.SetIterationTime(s);
    times.chunks_s += seconds([&] { chunks.scan_all(); });
    times.records_s += seconds([&] { records.scan_all(); });
  }
  times.report(state);
}
BENCHMARK(BM_LogScanAgainstRocksDb)->UseManualTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace finpipe
