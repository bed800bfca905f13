// Beast's WebSocket on a Transport, for both roles, behind handlers of one type: its only translation unit is
// websocket_stream.cpp. Compression is not offered.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "net/transport_impl.h"

namespace finpipe::net {

// What a server said to a request to upgrade, when it said something.
struct UpgradeAnswer {
  int status = 0;  // 0: no whole answer
  std::string retry_after;
  std::string body;
};

// What an error of WebSocketStream means.
enum class StreamFailure : std::uint8_t {
  kClosed,         // the peer's close frame has come and been answered
  kProtocol,       // the peer broke the protocol and has been told
  kNotAWebSocket,  // it answered the upgrade in HTTP, but did not upgrade
  kBadHttp,        // it answered the upgrade with something else
  kTls,            // TLS failed
  kLost,           // everything else: reset, end of stream, closed by us
};
[[nodiscard]] StreamFailure failure_of(error_code error);

// Handlers are not called after close of the Transport but with operation_aborted; the owner keeps the stream alive
// until all have been. At most one each of read, write, ping and close at a time.
class WebSocketStream {
 public:
  // A message is a view into the stream's buffer, until the next read.
  using ReadHandler = std::move_only_function<void(error_code, std::string_view)>;

  WebSocketStream(std::shared_ptr<Transport> transport, std::size_t max_message_bytes);
  ~WebSocketStream();

  // As client. `answer` is for the call.
  void connect(const std::string& host, const std::string& target,
               std::move_only_function<void(error_code, const UpgradeAnswer& answer)> done);
  // As server: answers an upgrade request that carried `key`.
  void accept(std::string_view key, DoneHandler done);

  void on_pong(std::move_only_function<void()> call);
  void read(ReadHandler handler);
  void write(std::string_view message, DoneHandler done);  // must live until done
  void ping(DoneHandler done);
  void close(int code, std::string_view reason, DoneHandler done);
  // Of the peer's close frame; 1005 when it had none.
  [[nodiscard]] int close_code() const;

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace finpipe::net
