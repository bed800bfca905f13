// A schema registry for tests, in a thread of its own: it keeps subjects as a real one does, and a test can put any
// other answer, or none, in the place of the next ones.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace finpipe {

class StandIn {
 public:
  struct Request {
    std::string line;     // "POST /base/subjects/x HTTP/1.1"
    std::string headers;  // as sent, the line included
    std::string body;
  };
  // Raw bytes; nullopt: what the registry answers; empty: nothing, and the connection stays open.
  using Script = std::function<std::optional<std::string>(const Request&)>;

  // Under /base on a free port, or on that one.
  explicit StandIn(std::uint16_t port = 0);
  ~StandIn();
  StandIn(const StandIn&) = delete;
  StandIn& operator=(const StandIn&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::string url() const;
  void set_script(Script script);
  [[nodiscard]] std::vector<std::string> lines();  // of all requests so far
  [[nodiscard]] std::string last_headers();

  // What it has; ids count from `next_id`.
  void add(const std::string& subject, const std::string& schema);
  void set_next_id(int id);
  void set_level(const std::string& subject, const std::string& level);
  [[nodiscard]] std::string level(const std::string& subject);

  [[nodiscard]] static std::string response(int status, std::string_view body);

 private:
  void serve();
  [[nodiscard]] std::string answer(const Request& request);
  [[nodiscard]] int id_of(const std::string& schema);

  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::mutex mutex_;
  Script script_;
  std::vector<Request> requests_;
  std::map<std::string, std::vector<std::string>> subjects_;
  std::map<std::string, std::string> levels_;
  std::map<std::string, int> ids_;  // by schema
  int next_id_ = 1;
  std::thread thread_;
};

}  // namespace finpipe
