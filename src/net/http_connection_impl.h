// One connection of an HttpServer: its requests one after another, until it ends or becomes a WebSocket.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "net/http_server.h"
#include "net/stall_timer_impl.h"
#include "net/websocket_session_impl.h"

namespace finpipe::net {

class HttpConnection;

// What the connections of one server share. Kept by them, too.
struct HttpServerState {
  EventLoop& loop;
  HttpServerOptions options;
  HttpHandler& handler;
  HttpServer::Counts counts;
  bool shutting_down = false;
  std::unordered_map<HttpConnection*, std::shared_ptr<HttpConnection>> connections;
  // Those for which no whole request is under way and that are no WebSockets; the longest so comes first.
  std::list<HttpConnection*> waiting;

  std::string date;  // of the Date header
  std::int64_t date_s = -1;
};

class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  HttpConnection(std::shared_ptr<HttpServerState> server, std::shared_ptr<Transport> transport, std::string remote);
  ~HttpConnection();

  void start();
  // Ends it at once.
  void drop();
  // Ends it as soon as it can be done politely.
  void shut_down();

 private:
  enum class State : std::uint8_t {
    kHandshake,
    kIdle,     // between requests; nothing of the next one has come
    kReading,  // a request
    kWriting,  // its answer
    kSilent,   // never to be answered
    kWebSocket,
    kFinishing,  // answered for the last time
    kOver,
  };
  struct Parser;
  struct Answer {
    HttpResponse response;
    std::string head;
    bool close = false;
  };

  void read();
  void on_read(error_code error, std::size_t bytes);
  void parse();
  [[nodiscard]] bool check_header();
  void on_request();
  void upgrade(const HttpRequest& request, bool head_only, bool keep_alive);
  void become_websocket(std::string_view key, std::unique_ptr<WebSocketHandler> handler);
  void answer(HttpResponse response, bool head_only, bool keep_alive);
  void on_answered(error_code error);
  void refuse(int status, std::string_view what);
  void next_request();
  void on_timeout();
  void finish();
  void discard();
  void wait();
  void stop_waiting();
  [[nodiscard]] std::string head_of(const HttpResponse& response, std::size_t body_bytes, bool keep_alive);

  std::shared_ptr<HttpServerState> server_;
  std::shared_ptr<Transport> transport_;
  std::string remote_;
  State state_ = State::kHandshake;
  Timer timer_;  // of the request or of idleness
  StallTimer stall_timer_;
  bool reading_ = false;
  std::vector<char> input_;
  std::size_t input_bytes_ = 0;
  std::unique_ptr<Parser> parser_;
  Answer answer_;
  std::shared_ptr<WebSocketSession> session_;
  bool is_waiting_ = false;
  std::list<HttpConnection*>::iterator waiting_;  // its place in the server's list
};

}  // namespace finpipe::net
