// What finpipe and its rival have in common: how they are measured, and where the server is.
#pragma once

#include <fmt/format.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <type_traits>
#include <utility>

#include "base/error.h"
#include "logs/kafka/kafka_log.h"

namespace finpipe::kafka_bench {

// A benchmark of something that failed means nothing.
[[noreturn]] inline void give_up(const std::string& why) {
  fmt::print(stderr, "{}\n", why);
  std::exit(1);
}

template <typename T>
T must(Result<T> result) {
  if (!result) give_up(result.error().message());
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

inline KafkaOptions options_of(const std::string& prefix) {
  const char* const brokers = std::getenv("FINPIPE_KAFKA");
  if (brokers == nullptr) give_up("FINPIPE_KAFKA=host:port must name a server");
  KafkaOptions options;
  options.brokers = brokers;
  options.prefix = prefix;
  options.profile = KafkaOptions::Profile::kThroughput;
  options.patience_ms = 60'000;
  return options;
}

// Time of the clock and of the processor, all threads of this process, since it was made.
class Stopwatch {
 public:
  void print(std::int64_t records) const {
    const double elapsed_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_).count();
    const auto count = static_cast<double>(records);
    fmt::print("records {}\nrecords_per_s {:.0f}\nprocessor_us_per_record {:.4f}\n", records, count / elapsed_s,
               (processor_s() - processor_begun_s_) * 1e6 / count);
  }

 private:
  static double processor_s() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto of = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
    };
    return of(usage.ru_utime) + of(usage.ru_stime);
  }

  std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  double processor_begun_s_ = processor_s();
};

}  // namespace finpipe::kafka_bench
