#include "logs/registry/schema_registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <ranges>
#include <utility>

#include "base/time.h"

namespace finpipe {
namespace {

using Kind = RegistryAnswer::Kind;

constexpr std::int64_t kStepMs = 50;                        // how long a wait goes without looking whether to stop
constexpr std::size_t kMaxForeign = 256;                    // ids that are being asked for, or that are absent
constexpr std::size_t kMaxAskedAgain = 16;                  // absent ids that are asked for once more, in a minute
constexpr std::int64_t kMinuteMs = 60'000;                  //
constexpr std::string_view kForbidden = ": HTTP 403";       // ends what RegistryClient says then
constexpr std::string_view kLevel = "BACKWARD_TRANSITIVE";  // as schemas/README.md promises

std::string schema_body(std::string_view schema) {
  std::string body = "{\"schema\":";
  append_json_string(body, schema);
  return body += '}';
}

std::string schema_path(std::uint32_t id) { return fmt::format("/schemas/ids/{}", id); }
std::string subject_path(const std::string& name) { return "/subjects/" + net::percent_encode(name); }

Result<std::uint32_t> id_in(const RegistryAnswer& answer) {
  const std::int64_t id = answer.body.integer("id").value_or(0);
  if (id < 1 || id > 0x7fffffff) return fail(ErrorCode::kRegistryRefused, "an answer without an id");
  return static_cast<std::uint32_t>(id);
}

Error gone(const std::string& subject) {
  return {ErrorCode::kRegistryChanged, fmt::format("{} is not there any more", subject)};
}

// A proxy's 404 too, for one: with the ids of before, a start does not need to know better.
bool is_away(ErrorCode code) { return code == ErrorCode::kRegistryUnreachable || code == ErrorCode::kRegistryRefused; }

std::uint64_t seed() {
  const auto id = random_id();
  return std::bit_cast<std::array<std::uint64_t, 2>>(id)[0];
}

}  // namespace

// A foreign id that is being asked for, or of which nothing can be had.
struct SchemaRegistry::Foreign {
  explicit Foreign(net::EventLoop& loop) : timer(loop) {}

  bool asking = true;
  int attempts = 0;
  bool absent = false;  // so an answer said
  std::int64_t valid_until_ms = 0;
  Error why{};
  net::Timer timer;
};

SchemaRegistry::SchemaRegistry(SchemaRegistryOptions options, net::Url url)
    : options_(std::move(options)),
      random_(seed()),
      ids_(options_.cache_directory, options_.url),
      client_(loop_, {std::move(url), options_.user, options_.password, options_.tls, options_.request_timeout_ms}),
      confirm_timer_(loop_) {}

SchemaRegistry::~SchemaRegistry() {
  if (save_ && confirmed_ && !failed_) (void)ids_.save();
}

Result<std::unique_ptr<SchemaRegistry>> SchemaRegistry::open(SchemaRegistryOptions options,
                                                             std::span<const TopicSchema> ours,
                                                             const std::function<bool()>& stop) {
  auto url = net::parse_url(options.url);
  if (!url || !url->scheme.starts_with("http") || url->target.contains('?')) {
    return fail(ErrorCode::kBadUrl, "of the schema registry: give http(s)://host:port/path, without user");
  }
  if (url->tls() && !options.tls) {
    FINPIPE_TRY_ASSIGN(context, net::TlsContext::client({}));
    options.tls = context;
  }
  if (!url->tls()) options.tls = nullptr;
  const bool in_clear = !url->tls() && !options.user.empty();
  std::unique_ptr<SchemaRegistry> registry(new SchemaRegistry(std::move(options), *std::move(url)));
  if (in_clear) registry->tell("The schema registry's user and password go over the network unencrypted: use https");
  FINPIPE_TRY(registry->start(ours, stop));
  return registry;
}

Result<void> SchemaRegistry::start(std::span<const TopicSchema> ours, const std::function<bool()>& stop) {
  ids_.load();
  bool known = true;
  for (const TopicSchema& each : ours) {
    Subject& subject = subjects_.emplace_back(Subject{fmt::format("{}-{}", each.topic, each.record), each});
    subject.id = ids_.id_of(subject.name, each.schema).value_or(0);
    known = known && subject.id != 0;
  }
  if (known || options_.patience_ms > 0) deadline_ms_ = now_ms() + (known ? 0 : options_.patience_ms);
  confirmed_ = true;
  for (Subject& subject : subjects_) {
    const auto id = find_or_register(subject, stop);
    if (!id && known && is_away(id.error().code)) {
      confirmed_ = false;
      break;
    }
    if (!id) return fail(id.error());
    FINPIPE_TRY(check_id(subject, *id));
    subject.id = *id;
  }
  for (const Subject& subject : subjects_) {
    const auto same = [&](const Subject& other) { return other.id == subject.id; };
    if (std::ranges::count_if(subjects_, same) > 1) {
      return fail(ErrorCode::kRegistryRefused, fmt::format("two schemas have the id {}", subject.id));
    }
    if (ids_.is_of_another(subject.id, subject.ours.schema)) {
      return fail(ErrorCode::kRegistryChanged, fmt::format("{} has the id {}, which another schema had by {}",
                                                           subject.name, subject.id, ids_.path()));
    }
    schemas_.push_back({subject.ours.fixed_id, subject.id, subject.ours.schema});
  }
  for (const Subject& subject : subjects_) ids_.set_id(subject.name, subject.ours.schema, subject.id);
  if (!known) FINPIPE_TRY(ids_.save());
  if (confirmed_) {
    set_trouble(Cause::kOurs, std::nullopt);
  } else {
    confirm_timer_.start(backoff_ms(confirm_attempts_++), [this] { confirm(0); });
  }
  return {};
}

Result<std::uint32_t> SchemaRegistry::find_or_register(const Subject& subject, const std::function<bool()>& stop) {
  const auto ask = subject.id == 0 ? &SchemaRegistry::call : &SchemaRegistry::call_twice;
  FINPIPE_TRY_ASSIGN(found, (this->*ask)("POST", subject_path(subject.name), schema_body(subject.ours.schema), stop));
  if (found.kind == Kind::kDone) return id_in(found);
  if (subject.id != 0) return fail(gone(subject.name));
  if (!options_.register_missing) return fail(ErrorCode::kSchemaNotRegistered, subject.name);
  FINPIPE_TRY(check_registry(subject, stop));
  return register_schema(subject, stop);
}

// A schema that is new has no id to compare; that of an earlier version tells whether it is the registry of before.
Result<void> SchemaRegistry::check_registry(const Subject& subject, const std::function<bool()>& stop) {
  const auto earlier = ids_.other_id_of(subject.name, subject.ours.schema);
  if (!earlier) return {};
  FINPIPE_TRY_ASSIGN(answer, call_twice("GET", schema_path(*earlier), "", stop));
  if (answer.kind == Kind::kDone) return {};
  return fail(ErrorCode::kRegistryChanged,
              fmt::format("the id {}, which {} had by {}, is not there any more", *earlier, subject.name, ids_.path()));
}

// A subject without a compatibility level of its own gets ours first, so that the registry judges what follows. Who may
// not see or set levels may still register.
Result<std::uint32_t> SchemaRegistry::register_schema(const Subject& subject, const std::function<bool()>& stop) {
  const std::string config = "/config/" + net::percent_encode(subject.name);
  auto level = call("GET", config, "", stop);
  const auto set = level ? level->body.string("compatibilityLevel") : std::nullopt;
  if (level && (!set || *set == "NONE")) {
    level = call("PUT", config, fmt::format("{{\"compatibility\":\"{}\"}}", kLevel), stop);
  }
  if (!level) {
    if (!level.error().detail.ends_with(kForbidden)) return fail(level.error());
    tell(fmt::format("The compatibility level of {} is not ours to set: {}", subject.name, level.error().detail));
  }
  const auto made = call("POST", subject_path(subject.name) + "/versions", schema_body(subject.ours.schema), stop);
  if (!made) return fail(made.error());
  if (made->kind == Kind::kDone) return id_in(*made);
  return fail(made->error);
}

Result<void> SchemaRegistry::wait_until(const bool& condition, const std::function<bool()>& stop) {
  while (!condition && !(stop && stop())) loop_.run_some(kStepMs);
  if (!condition) return fail(ErrorCode::kInterrupted, "schema registry");
  return {};
}

Result<void> SchemaRegistry::wait_for(std::int64_t ms, const std::function<bool()>& stop) {
  bool over = false;
  net::Timer timer(loop_);
  timer.start(ms, [&over] { over = true; });
  return wait_until(over, stop);
}

// Asks until there is an answer that counts.
Result<RegistryAnswer> SchemaRegistry::call(std::string_view method, const std::string& path, const std::string& body,
                                            const std::function<bool()>& stop) {
  for (int attempt = 0;; ++attempt) {
    struct Waiting {
      bool done = false;
      RegistryAnswer answer;
    };
    const auto waiting = std::make_shared<Waiting>();
    client_.ask(method, path, body, [waiting](RegistryAnswer answer) { *waiting = {true, std::move(answer)}; });
    FINPIPE_TRY(wait_until(waiting->done, stop));
    RegistryAnswer& answer = waiting->answer;
    if (answer.kind == Kind::kRefused) {
      const bool rejected = answer.status == 409;
      return fail(rejected ? ErrorCode::kSchemaRejected : answer.error.code, std::move(answer.error.detail));
    }
    if (answer.kind != Kind::kTrouble) return std::move(answer);
    on_trouble(Cause::kOurs, answer);
    tell(answer.error.message());
    if (deadline_ms_ && now_ms() >= *deadline_ms_) return fail(std::move(answer.error));
    FINPIPE_TRY(wait_for(backoff_ms(attempt), stop));
  }
}

// What is absent is asked for once more: copies of a registry may lag.
Result<RegistryAnswer> SchemaRegistry::call_twice(std::string_view method, const std::string& path,
                                                  const std::string& body, const std::function<bool()>& stop) {
  FINPIPE_TRY_ASSIGN(answer, call(method, path, body, stop));
  if (answer.kind != Kind::kAbsent) return std::move(answer);
  FINPIPE_TRY(wait_for(options_.absent_again_ms, stop));
  return call(method, path, body, stop);
}

Result<void> SchemaRegistry::check_id(const Subject& subject, std::uint32_t id) const {
  if (subject.id == 0 || subject.id == id) return {};
  return fail(ErrorCode::kRegistryChanged,
              fmt::format("{} has the id {}, and had {} by {}", subject.name, id, subject.id, ids_.path()));
}

// Compares the ids that a start took from the file, from the subject `next` on.
void SchemaRegistry::confirm(std::size_t next) {
  if (next == subjects_.size()) {
    confirmed_ = true;
    return set_trouble(Cause::kOurs, std::nullopt);
  }
  const Subject& subject = subjects_[next];
  client_.ask("POST", subject_path(subject.name), schema_body(subject.ours.schema),
              [this, next](const RegistryAnswer& answer) { on_confirm(next, answer); });
}

void SchemaRegistry::on_confirm(std::size_t asked, const RegistryAnswer& answer) {
  const Subject& subject = subjects_[asked];
  const bool absent = answer.kind == Kind::kAbsent;
  if (std::exchange(confirm_absent_, absent) && absent) {
    failed_ = gone(subject.name);
    return;
  }
  if (absent) return confirm_timer_.start(options_.absent_again_ms, [this, asked] { confirm(asked); });
  const auto id = answer.kind == Kind::kDone ? id_in(answer) : Result<std::uint32_t>(fail(answer.error));
  if (!id) {
    on_trouble(Cause::kOurs, answer);
    confirm_timer_.start(backoff_ms(confirm_attempts_++), [this, asked] { confirm(asked); });
  } else if (const auto same = check_id(subject, *id); !same) {
    failed_ = same.error();
  } else {
    confirm(asked + 1);
  }
}

WireSchemas SchemaRegistry::wire_schemas() {
  const auto waiting = [this] {
    const std::lock_guard lock(trouble_mutex_);
    return troubles_[static_cast<std::size_t>(Cause::kForeign)];
  };
  return {schemas_, look_up(), [this] { return poll(); }, waiting};
}

SchemaTranslator::LookUp SchemaRegistry::look_up() {
  return [this](std::uint32_t id) {
    const std::lock_guard lock(mutex_);
    return ask_for(id);
  };
}

std::optional<Result<std::string>> SchemaRegistry::ask_for(std::uint32_t id) {
  if (const std::string* text = ids_.text_of(id)) return *text;
  auto found = foreign_.find(id);
  if (found != foreign_.end() && !found->second->asking) {
    if (now_ms() < found->second->valid_until_ms) return fail(found->second->why);
    foreign_.erase(found);
    found = foreign_.end();
  }
  if (found == foreign_.end()) {
    if (foreign_.size() == kMaxForeign) forget_oldest();
    if (foreign_.size() == kMaxForeign) return std::nullopt;
    found = foreign_.emplace(id, std::make_unique<Foreign>(loop_)).first;
    fetch(id, *found->second);
  }
  return std::nullopt;
}

// Of those of which nothing can be had.
void SchemaRegistry::forget_oldest() {
  auto oldest = foreign_.end();
  for (auto each = foreign_.begin(); each != foreign_.end(); ++each) {
    if (each->second->asking) continue;
    if (oldest == foreign_.end() || each->second->valid_until_ms < oldest->second->valid_until_ms) oldest = each;
  }
  if (oldest != foreign_.end()) foreign_.erase(oldest);
}

void SchemaRegistry::fetch(std::uint32_t id, Foreign& foreign) {
  ++foreign.attempts;
  idle_ = false;
  client_.ask("GET", schema_path(id), "", [this, id](RegistryAnswer answer) { on_foreign(id, std::move(answer)); });
}

void SchemaRegistry::on_foreign(std::uint32_t id, RegistryAnswer answer) {
  Foreign& foreign = *foreign_.at(id);
  const auto settle = [&](Error why) {
    foreign.asking = false;
    foreign.why = std::move(why);
    foreign.valid_until_ms = now_ms() + options_.absent_valid_ms;
    set_trouble(Cause::kForeign, std::nullopt);
  };
  const auto again = [&](std::int64_t delay_ms) {
    foreign.timer.start(delay_ms, [this, id] { fetch(id, *foreign_.at(id)); });
  };
  // That nothing can be had is to be said twice, as long as there are few such ids.
  const auto conclude = [&](Error why) {
    if (std::exchange(foreign.absent, true) || !may_ask_again()) return settle(std::move(why));
    again(options_.absent_again_ms);
  };
  if (answer.kind == Kind::kAbsent) return conclude({ErrorCode::kUnknownSchemaId, "the registry has none"});
  // Such as the schema of another team, whose records do not concern us.
  if (answer.status == 403) return conclude({ErrorCode::kUnknownSchemaId, "HTTP 403"});
  if (answer.own) return conclude({ErrorCode::kIncompatibleSchema, std::move(answer.error.detail)});
  const auto text = answer.kind == Kind::kDone ? answer.body.string("schema") : std::nullopt;
  if (!text) {
    on_trouble(Cause::kForeign, answer);
    return again(backoff_ms(foreign.attempts - 1));
  }
  const std::string_view type = answer.body.string("schemaType").value_or("AVRO");
  if (type != "AVRO") return settle({ErrorCode::kIncompatibleSchema, fmt::format("of type {}", type.substr(0, 20))});
  if (text->size() > avro::kMaxSchemaBytes) {
    return settle({ErrorCode::kIncompatibleSchema, fmt::format("a schema of {} bytes", text->size())});
  }
  ids_.set_text(id, std::string(*text));
  save_ = true;
  foreign_.erase(id);
  set_trouble(Cause::kForeign, std::nullopt);
}

// Each absent id holds its partition up until the second answer: many of them would for hours.
bool SchemaRegistry::may_ask_again() {
  const std::int64_t now = now_ms();
  while (!asked_again_ms_.empty() && asked_again_ms_.front() <= now - kMinuteMs) asked_again_ms_.pop_front();
  if (asked_again_ms_.size() == kMaxAskedAgain) return false;
  asked_again_ms_.push_back(now);
  return true;
}

// Of everything but an answer that was asked for.
void SchemaRegistry::on_trouble(Cause cause, const RegistryAnswer& answer) {
  const bool told = !answer.error.detail.empty();
  const Error& error = answer.error;
  set_trouble(cause, told ? error.message() : "The schema registry's answer is not what was asked for");
  if (answer.kind == Kind::kRefused && error.code != ErrorCode::kRegistryRefused) failed_ = error;
}

void SchemaRegistry::tell(const std::string& text) {
  if (options_.on_trouble && std::exchange(told_, text) != text) options_.on_trouble(text);
}

Result<void> SchemaRegistry::poll() {
  if (idle_) return {};
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock) return {};
  if (!failed_) {
    loop_.run_some(0);
    save_when_due();
  }
  if (failed_) return fail(*failed_);
  const bool asking = std::ranges::any_of(foreign_, [](const auto& each) { return each.second->asking; });
  idle_ = confirmed_ && !save_ && !asking;
  return {};
}

void SchemaRegistry::save_when_due() {
  if (!save_ || !confirmed_ || now_ms() < save_after_ms_) return;
  const auto saved = ids_.save();
  save_ = !saved;
  save_after_ms_ = now_ms() + options_.save_again_ms;
  set_trouble(Cause::kFile, saved ? std::nullopt : std::optional(saved.error().message()));
}

std::optional<std::string> SchemaRegistry::trouble() const {
  const std::lock_guard lock(trouble_mutex_);
  const auto first = std::ranges::find_if(troubles_, [](const auto& each) { return each.has_value(); });
  return first == troubles_.end() ? std::nullopt : *first;
}

void SchemaRegistry::set_trouble(Cause cause, std::optional<std::string> text) {
  const std::lock_guard lock(trouble_mutex_);
  troubles_[static_cast<std::size_t>(cause)] = std::move(text);
}

// Between half of it and all of it, so that many that lost the registry do not come back together.
std::int64_t SchemaRegistry::backoff_ms(int attempt) {
  const std::int64_t whole = std::min(options_.backoff_cap_ms, options_.backoff_base_ms << std::min(attempt, 16));
  return random_.between(whole / 2, whole);
}

std::int64_t SchemaRegistry::now_ms() { return clock_.boot_ns() / kNsPerMs; }

}  // namespace finpipe
