#include "endpoint/stream_client.h"

#include <algorithm>
#include <utility>

#include "codec/flat_json.h"

namespace finpipe {

StreamClient::StreamClient(Streams& streams)
    : streams_(streams),
      messages_(streams.limits_.messages_per_second, streams.limits_.message_burst, streams.parts_.clock.boot_ns()) {}

StreamClient::~StreamClient() { leave(); }

void StreamClient::on_open(net::WebSocketConnection& connection) {
  connection_ = &connection;
  streams_.clients_.insert(this);
  streams_.parts_.metrics.set(Metric::kStreamClients, static_cast<double>(streams_.clients_.size()));
}

void StreamClient::on_message(std::string_view message) {
  if (closing_) return;
  if (!messages_.try_take(streams_.parts_.clock.boot_ns()))
    return disconnect(1008, "too_many_messages", "too many messages");
  if (message.size() > streams_.limits_.message_bytes) return send_error("a message must have at most 4 KiB");
  const auto request = parse_stream_request(message);
  if (!request) return send_error(request.error().detail);
  const auto existing = subscriptions_.find(request->series);
  if (!request->subscribe) {
    if (existing == subscriptions_.end()) return send_error("there is no such subscription");
    return streams_.unsubscribe(*existing->second);
  }
  if (existing != subscriptions_.end()) streams_.unsubscribe(*existing->second);
  if (subscriptions_.size() >= streams_.limits_.subscriptions)
    return send_error("a connection has at most " + std::to_string(streams_.limits_.subscriptions) + " subscriptions");
  streams_.subscribe(*this, *request);
}

void StreamClient::on_drained() {
  slow_ = false;
  for (std::size_t left = holding_.size(); left > 0 && has_room(); --left) {
    Subscription* subscription = holding_.front();
    holding_.pop_front();
    subscription->listed = false;
    streams_.send_held(*subscription);
  }
  streams_.schedule(*this);
}

void StreamClient::send(StreamChannel channel, std::shared_ptr<const std::string> text) {
  if (closing_) return;
  streams_.parts_.metrics.add(Metric::kStreamMessages, 1, {to_string(channel)});
  streams_.parts_.metrics.add(Metric::kStreamBytes, static_cast<double>(text->size()), {to_string(channel)});
  connection_->send(std::move(text));
  slow_ = connection_->queued_bytes() >= streams_.limits_.queued_bytes;
}

void StreamClient::send_error(std::string_view message) {
  std::string text = R"({"type":"error","message":)";
  append_json_string(text, message);
  connection_->send(std::make_shared<const std::string>(text + '}'));
}

void StreamClient::disconnect(int code, std::string_view reason, std::string_view message) {
  if (closing_) return;
  closing_ = true;
  if (!reason.empty()) streams_.parts_.metrics.add(Metric::kStreamClientsClosed, 1, {reason});
  connection_->close(code, message);
}

void StreamClient::leave() {
  closing_ = true;
  while (!subscriptions_.empty()) streams_.unsubscribe(*subscriptions_.begin()->second);
  std::erase(streams_.ready_, this);
  if (streams_.clients_.erase(this) > 0)
    streams_.parts_.metrics.set(Metric::kStreamClients, static_cast<double>(streams_.clients_.size()));
}

}  // namespace finpipe
