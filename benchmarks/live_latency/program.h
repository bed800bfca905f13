// The program under test: `finpipe run` as a process of its own, in a directory of its own.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace finpipe::live_latency {

class Program {
 public:
  // Starts it in `directory`, where it keeps its data and leaves what it says. Its environment is ours without
  // settings of finpipe. `log`: on servers, where it is made; empty: in the directory.
  Program(const std::string& path, const std::filesystem::path& directory, std::uint16_t vendor_port,
          std::span<const std::string> symbols, const std::string& log);
  ~Program();  // stops
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  [[nodiscard]] bool ended() const;
  // Where it serves its API, once it does.
  [[nodiscard]] std::optional<std::uint16_t> api_port() const;
  [[nodiscard]] double cpu_seconds() const;  // user and system, of all its threads
  [[nodiscard]] std::int64_t resident_bytes() const;
  [[nodiscard]] std::string output() const;  // what it has said

  // As a user ends it; false when it did not end in time or not well.
  bool stop();

 private:
  void start(std::vector<std::string> arguments, const std::filesystem::path& directory);

  std::filesystem::path output_;
  pid_t pid_ = -1;
};

}  // namespace finpipe::live_latency
