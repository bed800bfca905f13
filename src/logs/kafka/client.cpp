#include "logs/kafka/client.h"

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <array>
#include <utility>

#include "logs/kafka/owned.h"
#include "net/certificate_end.h"
#include "telemetry/log.h"

namespace finpipe::kafka {

// What librdkafka calls; `opaque` is the Client.
struct Callbacks {
  static void error(rd_kafka_t* client, int code, const char* reason, void* opaque) {
    // That all brokers are down says nothing of why, and a fatal error is found where it matters.
    if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) return;
    std::array<char, 512> text{};
    if (code == RD_KAFKA_RESP_ERR__FATAL) {
      code = rd_kafka_fatal_error(client, text.data(), text.size());
      reason = text.data();
    }
    static_cast<Client*>(opaque)->cluster_.note({code, reason == nullptr ? "" : reason});
  }

  static int statistics(rd_kafka_t* /*client*/, char* json, std::size_t size, void* opaque) {
    auto* self = static_cast<Client*>(opaque);
    const auto read = read_statistics({json, size});
    if (!read) return 0;
    self->cluster_.note(self, *read);
    if (self->owner_ != nullptr) self->owner_->on_statistics(*read);
    return 0;
  }

  static void delivery(rd_kafka_t* /*client*/, const rd_kafka_message_t* message, void* opaque) {
    static_cast<Client*>(opaque)->owner_->on_delivery({message->partition,
                                                       message->offset,
                                                       reinterpret_cast<std::uint64_t>(message->_private),
                                                       message->err,
                                                       {static_cast<const char*>(message->payload), message->len}});
  }

  static void rebalance(rd_kafka_t* /*client*/, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t* partitions,
                        void* opaque) {
    static_cast<Client*>(opaque)->owner_->on_rebalance(code, partitions);
  }

  static int certificate(rd_kafka_t* /*client*/, const char* broker, std::int32_t /*id*/, int* x509, int depth,
                         const char* der, std::size_t size, char* reason, std::size_t reason_size, void* opaque) {
    if (static_cast<Client*>(opaque)->left_) return *x509 == 0 ? 1 : 0;
    static_cast<Client*>(opaque)->cluster_.note_shown(broker, depth, net::not_after_s_of_der({der, size}));
    if (*x509 == 0) return 1;
    static_cast<Client*>(opaque)->cluster_.note_certificate(*x509);
    *fmt::format_to_n(reason, static_cast<std::ptrdiff_t>(reason_size) - 1, "X509 error {}", *x509).out = '\0';
    return 0;
  }

  // A broker tells a wrong password and an unknown user by one text; but by SCRAM, who knows the user answers the first
  // message of a login. librdkafka says how far that came, in the thread that it has for each broker.
  static void note_login(const rd_kafka_t* client, std::string_view facility, std::string_view text) {
    static thread_local bool is_answered = false;
    if (facility == "SASLSCRAM") is_answered = !text.ends_with("client-first-message");
    if (facility != "FAIL" || text.find("SASL authentication error") == std::string_view::npos) return;
    auto* self = static_cast<Client*>(rd_kafka_opaque(client));
    if (!self->left_)
      self->cluster_.note_login(self->cluster_.options().mechanism.starts_with("SCRAM") && !is_answered);
  }

  // Failed connections are told by `error` too, and the cluster says how it is; settings are our own affair.
  static void log(const rd_kafka_t* client, int level, const char* facility, const char* text) {
    constexpr int kError = 3;  // of syslog
    constexpr int kWarning = 4;
    const std::string_view what(facility);
    note_login(client, what, text);
    if (level > kWarning || what == "FAIL" || what == "ERROR" || what == "CONFWARN") return;
    (level <= kError ? log_error : log_warn)("Kafka client", {{"what", facility}, {"text", text}});
  }
};

std::string error_text(int code) { return rd_kafka_err2str(static_cast<rd_kafka_resp_err_t>(code)); }

Result<std::unique_ptr<Client>> Client::make(Kind kind, Cluster& cluster, const Settings& settings, Owner* owner) {
  auto made = std::unique_ptr<Client>(new Client(cluster, owner));
  std::array<char, 512> text{};
  Owned<rd_kafka_conf_t, rd_kafka_conf_destroy> configuration(rd_kafka_conf_new());
  rd_kafka_conf_t* conf = configuration.get();
  for (const auto& [name, value] : settings) {
    if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), text.data(), text.size()) == RD_KAFKA_CONF_OK) continue;
    // librdkafka's text would repeat the value.
    return fail(ErrorCode::kBadSetting, name.ends_with(".password") ? name : std::string(text.data()));
  }
  rd_kafka_conf_set_opaque(conf, made.get());
  rd_kafka_conf_set_error_cb(conf, Callbacks::error);
  rd_kafka_conf_set_stats_cb(conf, Callbacks::statistics);
  rd_kafka_conf_set_log_cb(conf, Callbacks::log);
  rd_kafka_conf_set_ssl_cert_verify_cb(conf, Callbacks::certificate);
  if (owner != nullptr && kind == Kind::kProducer) rd_kafka_conf_set_dr_msg_cb(conf, Callbacks::delivery);
  if (owner != nullptr && kind == Kind::kConsumer) rd_kafka_conf_set_rebalance_cb(conf, Callbacks::rebalance);
  made->client_ =
      rd_kafka_new(kind == Kind::kProducer ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER, conf, text.data(), text.size());
  if (made->client_ == nullptr) {
    const std::string why(text.data());
    return fail(why.starts_with("ssl.") ? ErrorCode::kBadCertificate : ErrorCode::kBadSetting, why);
  }
  static_cast<void>(configuration.release());  // the client's now
  return made;
}

Client::~Client() {
  if (topic_ != nullptr) rd_kafka_topic_destroy(topic_);
  if (client_ != nullptr) rd_kafka_destroy_flags(client_, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
  cluster_.forget(this);
}

void Client::leave(std::unique_ptr<Client> client) {
  client->left_ = true;
  client->cluster_.forget(client.get());
  static_cast<void>(client.release());
}

void Client::set_topic(const std::string& name) {
  topic_name_ = name;
  topic_ = rd_kafka_topic_new(client_, name.c_str(), nullptr);
}

void Client::poll(int wait_ms) { rd_kafka_poll(client_, wait_ms); }

Result<std::int32_t> Client::partitions() {
  std::int32_t count = 0;
  FINPIPE_TRY(
      cluster_.retry(*this, "topic " + topic_name_, [&](int timeout_ms) { return ask_metadata(timeout_ms, count); }));
  return count;
}

int Client::ask_metadata(int timeout_ms, std::int32_t& partitions) {
  const struct rd_kafka_metadata* metadata = nullptr;
  const auto code = rd_kafka_metadata(client_, 0, topic_, &metadata, timeout_ms);
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return code;
  const Owned<const struct rd_kafka_metadata, rd_kafka_metadata_destroy> owned(metadata);
  if (metadata->topic_cnt != 1) return RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
  partitions = metadata->topics[0].partition_cnt;
  if (metadata->topics[0].err != RD_KAFKA_RESP_ERR_NO_ERROR) return metadata->topics[0].err;
  return partitions > 0 ? RD_KAFKA_RESP_ERR_NO_ERROR : RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
}

Result<OffsetRange> Client::ask_range(std::int32_t partition) {
  OffsetRange range;
  FINPIPE_TRY(cluster_.retry(*this, fmt::format("{} partition {}", topic_name_, partition),
                             [&](int timeout_ms) { return try_range(partition, timeout_ms, range); }));
  return range;
}

// Not by rd_kafka_query_watermark_offsets(), which heeds no timeout and waits a minute for a broker that is gone.
int Client::try_range(std::int32_t partition, int timeout_ms, OffsetRange& range) {
  const int code = ask_offset(partition, RD_KAFKA_OFFSET_BEGINNING, timeout_ms, range.begin);
  return code == 0 ? ask_offset(partition, RD_KAFKA_OFFSET_END, timeout_ms, range.end) : code;
}

Result<std::optional<std::int64_t>> Client::ask_offset_at(std::int32_t partition, std::int64_t time_ms) {
  std::int64_t offset = 0;
  FINPIPE_TRY(cluster_.retry(*this, fmt::format("{} partition {}", topic_name_, partition),
                             [&](int timeout_ms) { return ask_offset(partition, time_ms, timeout_ms, offset); }));
  return offset < 0 ? std::nullopt : std::optional(offset);
}

int Client::try_end(std::int32_t partition, int timeout_ms, std::int64_t& end) {
  return ask_offset(partition, RD_KAFKA_OFFSET_END, timeout_ms, end);
}

int Client::ask_offset(std::int32_t partition, std::int64_t which, int timeout_ms, std::int64_t& offset) {
  const Owned<rd_kafka_topic_partition_list_t, rd_kafka_topic_partition_list_destroy> asked(
      rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(asked.get(), topic_name_.c_str(), partition)->offset = which;
  int code = rd_kafka_offsets_for_times(client_, asked.get(), timeout_ms);
  if (code == 0) code = asked->elems[0].err;
  offset = asked->elems[0].offset;
  if (code != RD_KAFKA_RESP_ERR__TIMED_OUT && code != RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION) return code;
  // The next attempt goes to whom the others name leader by then.
  std::int32_t partitions = 0;
  const int of_all = ask_metadata(timeout_ms, partitions);
  if (code == RD_KAFKA_RESP_ERR__TIMED_OUT) return code;
  // One without a leader is told as unknown.
  if (of_all == 0 && partition < partitions) return RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
  return is_passing(of_all) ? of_all : code;
}

}  // namespace finpipe::kafka
