// A log's schemas in a schema registry: has ours registered (or finds them), and finds out what foreign ids stand for.
//
// open() waits for the registry, unless it has said all that is needed before and that is still in the directory of
// cached ids: then a start goes on without it, and poll() compares as soon as it answers. Ids that have changed are an
// error: the records in the log were written with the old ones.
// Without threads of its own. One for a process: look_up(), poll(), trouble() and certificate_not_after_s() are for
// any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/random.h"
#include "logs/registry/registry_client.h"
#include "logs/registry/schema_ids.h"
#include "logs/wire_schemas.h"
#include "net/event_loop.h"

namespace finpipe {

struct SchemaRegistryOptions {
  std::string url;                          // with its path, such as https://host:8081/apis/ccompat/v7
  std::string user;                         // empty: no authentication
  std::string password{};                   // secret
  std::shared_ptr<net::TlsContext> tls{};   // for https; null: the system's authorities
  bool register_missing = true;             // false: what is not there is an error
  std::string cache_directory{};            // of cached ids; empty: none
  std::int64_t request_timeout_ms = 5'000;  // of one attempt
  std::int64_t patience_ms = 60'000;        // how long open() goes on asking; 0: until it is to stop
  std::int64_t backoff_base_ms = 200;       // before the second attempt; twice as long before each further one
  std::int64_t backoff_cap_ms = 10'000;     //
  std::int64_t absent_again_ms = 1'000;     // an id that is absent is asked for once more then: copies may lag
  std::int64_t absent_valid_ms = 60'000;    // and after that again, when it turns up again
  std::int64_t save_again_ms = 5'000;       // between two writes of the file of cached ids
  // Hears why open() waits and what it puts up with, in its thread; never a secret.
  std::function<void(const std::string&)> on_trouble{};
};

// One of our contracts and the topic whose records have it. Its subject is named <topic>-<record>, "TopicRecordName".
struct TopicSchema {
  std::string topic;
  std::string_view record;  // with its namespace
  std::uint32_t fixed_id = 0;
  std::string_view schema;  // static text: kSchema of the generated struct
};

class SchemaRegistry {
 public:
  // Blocks until all of ours have ids, patience ends or `stop`, which is asked from time to time, returns true.
  // Errors: kBadUrl; kRegistryUnreachable saying what the last attempt met, kRegistryRefused, kRegistryCredentials,
  // kSchemaNotRegistered, kSchemaRejected, kRegistryChanged; kTlsUnknownCa, kTlsSelfSigned, kTlsExpired, kTlsWrongHost,
  // kBadCertificate; kInterrupted; kIo, kReadOnly and kDiskFull for the directory of cached ids.
  [[nodiscard]] static Result<std::unique_ptr<SchemaRegistry>> open(SchemaRegistryOptions options,
                                                                    std::span<const TopicSchema> ours,
                                                                    const std::function<bool()>& stop);
  ~SchemaRegistry();
  SchemaRegistry(const SchemaRegistry&) = delete;
  SchemaRegistry& operator=(const SchemaRegistry&) = delete;

  // Ours, with their ids.
  [[nodiscard]] const std::vector<WireSchema>& schemas() const { return schemas_; }
  // For a log, and for SchemaTranslator; not to be used after this object. A foreign id is asked for until the registry
  // has answered.
  [[nodiscard]] WireSchemas wire_schemas();
  [[nodiscard]] SchemaTranslator::LookUp look_up();

  // Sends and receives what is under way, unless another thread does; never waits for it. An error is permanent:
  // kRegistryChanged, kRegistryCredentials and those of TLS. Everything else that is wrong is trouble, and tried again.
  [[nodiscard]] Result<void> poll();
  // Why a foreign schema is not known yet, or the ids are not compared yet.
  [[nodiscard]] std::optional<std::string> trouble() const;
  // When the first certificate ends that is in use with it, in seconds since 1970; 0: none is known.
  [[nodiscard]] std::int64_t certificate_not_after_s(std::int64_t now_s) const {
    return options_.tls ? options_.tls->not_after_s(now_s).value_or(0) : 0;
  }
  // False after a start without the registry, until it has confirmed the ids.
  [[nodiscard]] bool confirmed() const { return confirmed_; }

 private:
  struct Subject {
    std::string name;
    TopicSchema ours;
    std::uint32_t id = 0;
  };
  struct Foreign;
  enum class Cause : std::uint8_t { kOurs, kForeign, kFile };

  SchemaRegistry(SchemaRegistryOptions options, net::Url url);

  [[nodiscard]] Result<void> start(std::span<const TopicSchema> ours, const std::function<bool()>& stop);
  [[nodiscard]] Result<std::uint32_t> find_or_register(const Subject& subject, const std::function<bool()>& stop);
  [[nodiscard]] Result<std::uint32_t> register_schema(const Subject& subject, const std::function<bool()>& stop);
  [[nodiscard]] Result<void> check_registry(const Subject& subject, const std::function<bool()>& stop);
  [[nodiscard]] Result<RegistryAnswer> call(std::string_view method, const std::string& path, const std::string& body,
                                            const std::function<bool()>& stop);
  [[nodiscard]] Result<RegistryAnswer> call_twice(std::string_view method, const std::string& path,
                                                  const std::string& body, const std::function<bool()>& stop);
  [[nodiscard]] Result<void> wait_until(const bool& condition, const std::function<bool()>& stop);
  [[nodiscard]] Result<void> wait_for(std::int64_t ms, const std::function<bool()>& stop);
  [[nodiscard]] Result<void> check_id(const Subject& subject, std::uint32_t id) const;
  void confirm(std::size_t next);
  void on_confirm(std::size_t asked, const RegistryAnswer& answer);
  [[nodiscard]] std::optional<Result<std::string>> ask_for(std::uint32_t id);
  void fetch(std::uint32_t id, Foreign& foreign);
  void on_foreign(std::uint32_t id, RegistryAnswer answer);
  void forget_oldest();
  [[nodiscard]] bool may_ask_again();
  void save_when_due();
  void on_trouble(Cause cause, const RegistryAnswer& answer);
  void set_trouble(Cause cause, std::optional<std::string> text);
  void tell(const std::string& text);
  [[nodiscard]] std::int64_t backoff_ms(int attempt);
  [[nodiscard]] std::int64_t now_ms();

  SchemaRegistryOptions options_;
  SystemClock clock_;
  Random random_;
  SchemaIds ids_;
  std::vector<Subject> subjects_;
  std::vector<WireSchema> schemas_;
  std::optional<std::int64_t> deadline_ms_;  // of open()
  std::atomic<bool> confirmed_ = false;
  std::atomic<bool> idle_ = false;  // poll() has nothing to do
  int confirm_attempts_ = 0;
  bool confirm_absent_ = false;  // so the last answer said
  bool save_ = false;            // something is new in ids_
  std::int64_t save_after_ms_ = 0;
  std::deque<std::int64_t> asked_again_ms_;  // when an absent id was asked for once more
  std::optional<Error> failed_;
  std::string told_;
  std::mutex mutex_;  // of everything but the troubles
  mutable std::mutex trouble_mutex_;
  std::array<std::optional<std::string>, 3> troubles_;  // by cause
  // Whatever is under way in the loop ends before the rest.
  net::EventLoop loop_;
  RegistryClient client_;
  net::Timer confirm_timer_;
  std::unordered_map<std::uint32_t, std::unique_ptr<Foreign>> foreign_;
};

}  // namespace finpipe
