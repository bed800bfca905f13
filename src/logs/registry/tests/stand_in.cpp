#include "logs/registry/tests/stand_in.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <stdexcept>

#include "codec/flat_json.h"

namespace finpipe {
namespace {

// What a client sends; nullopt when it goes away before that.
std::optional<StandIn::Request> read_request(int connection) {
  std::string text;
  char buffer[4096];
  for (;;) {
    const std::size_t end = text.find("\r\n\r\n");
    if (end != std::string::npos) {
      std::size_t length = 0;
      const std::size_t at = text.find("Content-Length: ");
      if (at < end) std::from_chars(text.data() + at + 16, text.data() + end, length);
      if (text.size() >= end + 4 + length) {
        return StandIn::Request{text.substr(0, text.find('\r')), text.substr(0, end), text.substr(end + 4)};
      }
    }
    const ssize_t got = ::recv(connection, buffer, sizeof buffer, 0);
    if (got <= 0) return std::nullopt;
    text.append(buffer, static_cast<std::size_t>(got));
  }
}

void send_all(int connection, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

std::string in_quotes(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

std::string error(int status, int code) {
  return StandIn::response(status, fmt::format(R"({{"error_code":{},"message":"code {}"}})", code, code));
}

}  // namespace

StandIn::StandIn(std::uint16_t port) : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const int on = 1;
  ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener_, generic, size) != 0 || ::listen(listener_, 16) != 0) throw std::runtime_error("cannot listen");
  ::getsockname(listener_, generic, &size);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { serve(); });
}

StandIn::~StandIn() {
  ::shutdown(listener_, SHUT_RDWR);
  thread_.join();
  ::close(listener_);
}

std::string StandIn::url() const { return fmt::format("http://127.0.0.1:{}/base/", port_); }

std::string StandIn::response(int status, std::string_view body) {
  return fmt::format("HTTP/1.1 {} X\r\nContent-Length: {}\r\n\r\n{}", status, body.size(), body);
}

void StandIn::serve() {
  std::vector<int> left_open;
  for (;;) {
    const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) break;
    std::string bytes;
    if (auto request = read_request(connection)) {
      const std::lock_guard lock(mutex_);
      requests_.push_back(*request);
      const auto scripted = script_ ? script_(*request) : std::nullopt;
      bytes = scripted ? *scripted : answer(*request);
      if (bytes.empty()) {
        left_open.push_back(connection);
        continue;
      }
    }
    send_all(connection, bytes);
    ::close(connection);
  }
  for (const int connection : left_open) ::close(connection);
}

void StandIn::set_script(Script script) {
  const std::lock_guard lock(mutex_);
  script_ = std::move(script);
}

std::vector<std::string> StandIn::lines() {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> lines;
  for (const Request& request : requests_) lines.push_back(request.line.substr(0, request.line.rfind(' ')));
  return lines;
}

std::string StandIn::last_headers() {
  const std::lock_guard lock(mutex_);
  return requests_.back().headers;
}

void StandIn::add(const std::string& subject, const std::string& schema) {
  const std::lock_guard lock(mutex_);
  subjects_[subject].push_back(schema);
  (void)id_of(schema);
}

void StandIn::set_next_id(int id) {
  const std::lock_guard lock(mutex_);
  next_id_ = id;
}

void StandIn::set_level(const std::string& subject, const std::string& level) {
  const std::lock_guard lock(mutex_);
  levels_[subject] = level;
}

std::string StandIn::level(const std::string& subject) {
  const std::lock_guard lock(mutex_);
  return levels_[subject];
}

int StandIn::id_of(const std::string& schema) {
  const auto [found, made] = ids_.emplace(schema, next_id_);
  if (made) ++next_id_;
  return found->second;
}

std::string StandIn::answer(const Request& request) {
  const std::size_t space = request.line.find(' ');
  const std::string method = request.line.substr(0, space);
  std::string path = request.line.substr(space + 1, request.line.rfind(' ') - space - 1);
  const auto take = [&](std::string_view prefix) {
    return path.starts_with(prefix) && (path.erase(0, prefix.size()), true);
  };
  if (!take("/base/")) return response(404, "<html>nothing here</html>");
  const auto body = FlatJson::parse(request.body);
  if (take("schemas/ids/")) {
    for (const auto& [schema, id] : ids_) {
      if (std::to_string(id) == path)
        return response(200, fmt::format(R"({{"schema":{},"schemaType":"AVRO"}})", in_quotes(schema)));
    }
    return error(404, 40403);
  }
  if (take("config/")) {
    if (method == "PUT") levels_[path] = body->string("compatibility").value();
    if (!levels_.contains(path)) return error(404, 40408);
    return response(200, fmt::format(R"({{"compatibilityLevel":"{}"}})", levels_[path]));
  }
  if (!take("subjects/") || method != "POST") return error(405, 405);
  const std::string schema(body->string("schema").value());
  if (path.ends_with("/versions")) {
    subjects_[path.substr(0, path.find('/'))].push_back(schema);
    return response(200, fmt::format(R"({{"id":{}}})", id_of(schema)));
  }
  if (!subjects_.contains(path)) return error(404, 40401);
  if (!std::ranges::count(subjects_[path], schema)) return error(404, 40403);
  return response(200, fmt::format(R"({{"subject":"{}","version":1,"id":{}}})", path, id_of(schema)));
}

}  // namespace finpipe
