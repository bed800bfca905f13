#include "logs/registry/schema_registry.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include "base/time.h"
#include "codec/avro_schema.h"
#include "codec/feed_status_avro.h"
#include "codec/stock_tick_avro.h"
#include "logs/registry/tests/stand_in.h"

namespace finpipe {
namespace {

const std::vector<TopicSchema> kOurs = {{"ticks", "io.finpipe.StockTick", 1, avro::StockTick::kSchema},
                                        {"ticks", "io.finpipe.FeedStatus", 2, avro::FeedStatus::kSchema}};
const std::string kTicks = "ticks-io.finpipe.StockTick";
const std::string kStatus = "ticks-io.finpipe.FeedStatus";
constexpr std::string_view kSecret = "pa:ss-w0rd";

class SchemaRegistryTest : public testing::Test {
 protected:
  void SetUp() override {
    directory_ =
        std::filesystem::temp_directory_path() /
        fmt::format("registry-{}-{}", ::getpid(), testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(directory_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  [[nodiscard]] SchemaRegistryOptions options() const {
    return {.url = stand_in_ ? stand_in_->url() : url_,
            .user = "me",
            .password = std::string(kSecret),
            .cache_directory = directory_.string(),
            .request_timeout_ms = 20'000,
            .patience_ms = 5'000,
            .backoff_base_ms = 1,
            .backoff_cap_ms = 5,
            .absent_again_ms = 5,
            .absent_valid_ms = 600'000};
  }
  Result<std::unique_ptr<SchemaRegistry>> open(const SchemaRegistryOptions& options,
                                               const std::vector<TopicSchema>& ours = kOurs) {
    auto registry = SchemaRegistry::open(options, ours, {});
    EXPECT_TRUE(registry || !registry.error().message().contains(kSecret)) << registry.error().message();
    return registry;
  }
  std::string refusal(const SchemaRegistryOptions& options, const std::vector<TopicSchema>& ours = kOurs) {
    const auto registry = open(options, ours);
    return registry ? "none" : fmt::format("{} {}", error_info(registry.error().code).name, registry.error().detail);
  }
  // The stand-in is away, or there again under the same URL.
  void stop() {
    url_ = stand_in_->url();
    port_ = stand_in_->port();
    stand_in_.reset();
  }
  void start_again() { stand_in_ = std::make_unique<StandIn>(port_); }
  // Until the condition holds; false after 20 seconds, or when a poll fails.
  static bool poll_until(SchemaRegistry& registry, const std::function<bool()>& condition) {
    SystemClock clock;
    const std::int64_t end_ns = clock.boot_ns() + 20 * kNsPerSecond;
    while (clock.boot_ns() < end_ns) {
      if (condition()) return true;
      if (!registry.poll()) return false;
    }
    return false;
  }
  static std::string answer_to(SchemaRegistry& registry, std::uint32_t id) {
    const auto look_up = registry.look_up();
    std::optional<Result<std::string>> answer;
    EXPECT_TRUE(poll_until(registry, [&] { return (answer = look_up(id)).has_value(); }));
    if (!answer) return "none";
    return *answer ? **answer : fmt::format("{} {}", error_info(answer->error().code).name, answer->error().detail);
  }

  // Requests for schemas by id so far, for all ids or for one.
  [[nodiscard]] std::ptrdiff_t questions(const std::string& id = "") {
    const auto lines = stand_in_->lines();
    return std::ranges::count_if(lines, [&](const std::string& line) {
      const std::string_view path = "GET /base/schemas/ids/";
      return id.empty() ? line.starts_with(path) : line == std::string(path) + id;
    });
  }

  std::filesystem::path directory_;
  std::unique_ptr<StandIn> stand_in_ = std::make_unique<StandIn>();
  std::string url_;
  std::uint16_t port_ = 0;
};

TEST_F(SchemaRegistryTest, RegistersOursUnderTheirSubjectsAndFindsThemAgain) {
  stand_in_->set_next_id(41);
  const auto registry = open(options());
  ASSERT_TRUE(registry) << registry.error().message();
  const auto& schemas = (*registry)->schemas();
  ASSERT_EQ(schemas.size(), 2U);
  EXPECT_EQ(schemas[0].fixed_id, 1U);
  EXPECT_EQ(schemas[0].wire_id, 41U);
  EXPECT_EQ(schemas[1].wire_id, 42U);
  EXPECT_TRUE((*registry)->confirmed());
  EXPECT_EQ(stand_in_->level(kTicks), "BACKWARD_TRANSITIVE");
  EXPECT_TRUE(stand_in_->last_headers().contains("\r\nAuthorization: Basic bWU6cGE6c3MtdzByZA=="))
      << stand_in_->last_headers();

  const std::size_t requests = stand_in_->lines().size();
  SchemaRegistryOptions only_look = options();
  only_look.register_missing = false;
  only_look.cache_directory.clear();
  const auto again = open(only_look);
  ASSERT_TRUE(again);
  EXPECT_EQ((*again)->schemas()[1].wire_id, 42U);
  const auto lines = stand_in_->lines();
  EXPECT_EQ(std::vector(lines.begin() + static_cast<std::ptrdiff_t>(requests), lines.end()),
            (std::vector<std::string>{"POST /base/subjects/" + kTicks, "POST /base/subjects/" + kStatus}));
}

TEST_F(SchemaRegistryTest, ALevelThatSomebodyHasSetStays) {
  stand_in_->add(kTicks, R"("string")");
  stand_in_->set_level(kTicks, "FULL_TRANSITIVE");
  stand_in_->set_level(kStatus, "NONE");  // what Apicurio says of a subject without one
  ASSERT_TRUE(open(options()));
  EXPECT_EQ(stand_in_->level(kTicks), "FULL_TRANSITIVE");
  EXPECT_EQ(stand_in_->level(kStatus), "BACKWARD_TRANSITIVE");
}

TEST_F(SchemaRegistryTest, WithoutRegisteringWhatIsMissingIsAnError) {
  SchemaRegistryOptions only_look = options();
  only_look.register_missing = false;
  EXPECT_EQ(refusal(only_look), "schema_not_registered " + kTicks);
}

TEST_F(SchemaRegistryTest, ASchemaThatTheRegistryRejectsIsAnErrorAtOnce) {
  stand_in_->set_script([](const StandIn::Request& request) -> std::optional<std::string> {
    if (!request.line.contains("/versions")) return std::nullopt;
    return StandIn::response(409, R"({"error_code":409,"message":"price\nis gone"})");
  });
  EXPECT_EQ(refusal(options()), "schema_rejected POST /subjects/" + kTicks + "/versions: HTTP 409: price is gone");
  EXPECT_EQ(std::ranges::count(stand_in_->lines(), "POST /base/subjects/" + kTicks + "/versions"), 1);
}

TEST_F(SchemaRegistryTest, WrongCredentialsAreAnErrorAtOnceAndNotRepeated) {
  for (const int status : {401, 403}) {
    stand_in_->set_script([&](const StandIn::Request& request) {
      return StandIn::response(status,
                               fmt::format(R"({{"error_code":{},"message":"{}"}})", status, request.headers.size()));
    });
    EXPECT_EQ(refusal(options()), fmt::format("registry_credentials POST /subjects/{}: HTTP {}", kTicks, status));
  }
  EXPECT_EQ(stand_in_->lines().size(), 2U);
}

TEST_F(SchemaRegistryTest, AMessageThatTellsThePasswordIsLeftOut) {
  stand_in_->set_script([&](const StandIn::Request&) {
    return StandIn::response(422, fmt::format(R"({{"error_code":422,"message":"I got {}"}})", kSecret));
  });
  EXPECT_EQ(refusal(options()), "registry_refused POST /subjects/" + kTicks + ": HTTP 422");
  // Wherever messages are cut, and the user's name likewise.
  for (const std::string& secret : {std::string(295, 'x') + std::string(kSecret), std::string("me")}) {
    stand_in_->set_script([&](const StandIn::Request&) {
      return StandIn::response(422, fmt::format(R"({{"error_code":422,"message":"{}"}})", secret));
    });
    EXPECT_EQ(refusal(options()), "registry_refused POST /subjects/" + kTicks + ": HTTP 422");
  }
}

TEST_F(SchemaRegistryTest, WhoMayNotSetLevelsRegistersAndIsTold) {
  stand_in_->set_script([](const StandIn::Request& request) -> std::optional<std::string> {
    if (!request.line.starts_with("PUT")) return std::nullopt;
    return StandIn::response(403, R"({"error_code":40301,"message":"no"})");
  });
  SchemaRegistryOptions told = options();
  std::vector<std::string> texts;
  told.on_trouble = [&](const std::string& text) { texts.push_back(text); };
  EXPECT_EQ(refusal(told), "none");
  EXPECT_EQ(
      texts,
      (std::vector<std::string>{
          "The schema registry's user and password go over the network unencrypted: use https",
          "The compatibility level of " + kTicks + " is not ours to set: PUT /config/" + kTicks + ": HTTP 403",
          "The compatibility level of " + kStatus + " is not ours to set: PUT /config/" + kStatus + ": HTTP 403"}));
}

TEST_F(SchemaRegistryTest, AWrongPathIsAnErrorAtOnce) {
  SchemaRegistryOptions wrong = options();
  wrong.url += "more";
  EXPECT_EQ(refusal(wrong).substr(0, 16), "registry_refused");
  wrong.url = "ftp://host/";
  EXPECT_EQ(refusal(wrong).substr(0, 7), "bad_url");
  wrong.url = fmt::format("http://me:{}@127.0.0.1/", kSecret);
  EXPECT_EQ(refusal(wrong).substr(0, 7), "bad_url");
}

// Each kind of trouble, twice, and then the registry's own answers.
TEST_F(SchemaRegistryTest, TroubleIsWaitedOut) {
  const std::vector<std::string> troubles = {
      StandIn::response(500, R"({"error_code":50001,"message":"Error in the backend"})"),
      StandIn::response(503, "<html>"),
      StandIn::response(429, "{}"),
      StandIn::response(200, "<html>welcome</html>"),
      StandIn::response(200, ""),
      StandIn::response(302, ""),
      StandIn::response(200, "{\"id\":1,\"x\":\"" + std::string(2 * kMaxAnswerBytes, 'x') + "\"}"),
      "HTTP/1.1 200 X\r\nContent-Length: 100\r\n\r\n{\"id\":",
      "what?\r\n\r\n",
      "",  // nothing until the time is up
  };
  for (const std::string& trouble : troubles) {
    int left = 2;
    stand_in_->set_script([&](const StandIn::Request&) { return left-- > 0 ? std::optional(trouble) : std::nullopt; });
    SchemaRegistryOptions fresh = options();
    fresh.cache_directory.clear();
    fresh.request_timeout_ms = 300;
    EXPECT_EQ(refusal(fresh), "none") << trouble.substr(0, 80);
    stand_in_->set_script({});
    EXPECT_LE(left, 0);
  }
}

TEST_F(SchemaRegistryTest, AColdStartWithoutARegistryEndsWithTheReason) {
  SchemaRegistryOptions impatient = options();
  impatient.patience_ms = 50;
  stand_in_->set_script([](const StandIn::Request&) { return StandIn::response(503, "<html>"); });
  EXPECT_EQ(refusal(impatient),
            "registry_unreachable POST /subjects/" + kTicks + ": HTTP 503, and not as a registry answers");
  stop();
  impatient.url = url_;
  EXPECT_TRUE(refusal(impatient).starts_with("registry_unreachable POST /subjects/" + kTicks + ": connect_failed: "));
}

TEST_F(SchemaRegistryTest, PatienceMayBeEndlessAndSaysWhatItWaitsFor) {
  SchemaRegistryOptions patient = options();
  patient.patience_ms = 0;
  std::vector<std::string> texts;
  patient.on_trouble = [&](const std::string& text) { texts.push_back(text); };
  int left = 5;
  stand_in_->set_script([&](const StandIn::Request&) -> std::optional<std::string> {
    if (left-- > 0) return StandIn::response(503, "<html>");
    return std::nullopt;
  });
  EXPECT_EQ(refusal(patient), "none");
  ASSERT_EQ(texts.size(), 2U);  // once for the password in clear
  EXPECT_TRUE(texts[1].contains("HTTP 503")) << texts[1];
}

TEST_F(SchemaRegistryTest, AStopEndsTheWait) {
  stop();
  int asked = 0;
  const auto registry = SchemaRegistry::open(options(), kOurs, [&] { return ++asked > 2; });
  ASSERT_FALSE(registry);
  EXPECT_EQ(registry.error().code, ErrorCode::kInterrupted);
}

TEST_F(SchemaRegistryTest, AWarmStartNeedsNoRegistryAndComparesLater) {
  stand_in_->set_next_id(7);
  ASSERT_TRUE(open(options()));
  stop();
  auto registry = open(options());
  ASSERT_TRUE(registry) << registry.error().message();
  EXPECT_EQ((*registry)->schemas()[1].wire_id, 8U);
  EXPECT_FALSE((*registry)->confirmed());
  EXPECT_TRUE((*registry)->trouble().value_or("").contains("registry_unreachable"))
      << (*registry)->trouble().value_or("");
  start_again();
  stand_in_->set_next_id(7);
  stand_in_->add(kTicks, std::string(avro::StockTick::kSchema));
  stand_in_->add(kStatus, std::string(avro::FeedStatus::kSchema));
  EXPECT_TRUE(poll_until(**registry, [&] { return (*registry)->confirmed(); }));
  EXPECT_EQ((*registry)->trouble(), std::nullopt);
}

TEST_F(SchemaRegistryTest, AWarmStartTakesAProxysWordForNoAnswer) {
  ASSERT_TRUE(open(options()));
  stand_in_->set_script([](const StandIn::Request&) { return StandIn::response(404, "<html>"); });
  const auto registry = open(options());
  ASSERT_TRUE(registry) << registry.error().message();
  EXPECT_FALSE((*registry)->confirmed());
  stand_in_->set_script({});
  EXPECT_TRUE(poll_until(**registry, [&] { return (*registry)->confirmed(); }));
}

TEST_F(SchemaRegistryTest, OtherIdsThanBeforeAreAnError) {
  ASSERT_TRUE(open(options()));
  stop();
  auto running = open(options());
  ASSERT_TRUE(running);
  start_again();
  stand_in_->set_next_id(7);
  // An empty registry in its place: nothing is registered there.
  EXPECT_EQ(refusal(options()), "registry_changed " + kTicks + " is not there any more");
  stand_in_->add(kTicks, std::string(avro::StockTick::kSchema));
  EXPECT_TRUE(refusal(options()).starts_with("registry_changed " + kTicks + " has the id 7, and had 1 by /"));
  EXPECT_FALSE(poll_until(**running, [&] { return (*running)->confirmed(); }));
  const auto failed = (*running)->poll();
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::kRegistryChanged);
}

// Copies of a registry may lag behind the one that was asked before.
TEST_F(SchemaRegistryTest, OneAnswerThatOursIsAbsentIsNoProof) {
  ASSERT_TRUE(open(options()));
  int left = 1;
  const auto lag = [&](const StandIn::Request&) -> std::optional<std::string> {
    if (left-- > 0) return StandIn::response(404, R"({"error_code":40403,"message":"none"})");
    return std::nullopt;
  };
  stand_in_->set_script(lag);
  EXPECT_EQ(refusal(options()), "none");
  stop();
  const auto running = open(options());
  ASSERT_TRUE(running);
  start_again();
  stand_in_->add(kTicks, std::string(avro::StockTick::kSchema));
  stand_in_->add(kStatus, std::string(avro::FeedStatus::kSchema));
  left = 1;
  stand_in_->set_script(lag);
  EXPECT_TRUE(poll_until(**running, [&] { return (*running)->confirmed(); }));
}

// A schema whose words have changed has no id to compare yet.
TEST_F(SchemaRegistryTest, AnotherRegistryIsNoticedWithANewSchemaToo) {
  ASSERT_TRUE(open(options()));
  std::string edited(avro::StockTick::kSchema);
  edited.replace(edited.find("One trade"), 3, "Any");
  std::vector<TopicSchema> ours = {kOurs[0]};
  ours[0].schema = edited;
  stop();
  start_again();
  EXPECT_TRUE(refusal(options(), ours).starts_with("registry_changed the id 1, which " + kTicks + " had by /"));
  EXPECT_FALSE(std::ranges::any_of(stand_in_->lines(), [](const auto& line) { return line.contains("/versions"); }));
  // Its id 1 is something else, and it gives out again what was given.
  stand_in_->add("else", R"("string")");
  EXPECT_TRUE(refusal(options(), ours).starts_with("registry_changed " + kTicks + " has the id 2, which another"));
  // In the registry of before it is registered.
  stop();
  start_again();
  stand_in_->add(kTicks, std::string(avro::StockTick::kSchema));
  stand_in_->add(kStatus, std::string(avro::FeedStatus::kSchema));
  EXPECT_EQ(refusal(options(), ours), "none");
}

TEST_F(SchemaRegistryTest, AForeignSchemaIsFetchedOnceAndKept) {
  const std::string text = "{\"type\":\"record\",\"name\":\"\u00c4\\n\",\"fields\":[]}\n\t\"";
  stand_in_->add("else", text);
  {
    const auto registry = open(options());
    ASSERT_TRUE(registry);
    EXPECT_EQ(answer_to(**registry, 1), text);
    EXPECT_EQ(answer_to(**registry, 1), text);
    EXPECT_EQ(std::ranges::count(stand_in_->lines(), "GET /base/schemas/ids/1"), 1);
    ASSERT_TRUE((*registry)->poll());
  }
  stop();
  const auto warm = open(options());
  ASSERT_TRUE(warm);
  EXPECT_EQ(answer_to(**warm, 1), text);
}

TEST_F(SchemaRegistryTest, AnAbsentIdIsAskedForTwice) {
  const auto registry = open(options());
  ASSERT_TRUE(registry);
  EXPECT_EQ(answer_to(**registry, 99), "unknown_schema_id the registry has none");
  EXPECT_EQ(answer_to(**registry, 99), "unknown_schema_id the registry has none");
  EXPECT_EQ(std::ranges::count(stand_in_->lines(), "GET /base/schemas/ids/99"), 2);
}

TEST_F(SchemaRegistryTest, AnAbsentIdIsAskedForAgainAfterAWhile) {
  SchemaRegistryOptions forgetful = options();
  forgetful.absent_valid_ms = 10;
  const auto registry = open(forgetful);
  ASSERT_TRUE(registry);
  EXPECT_EQ(answer_to(**registry, 99), "unknown_schema_id the registry has none");
  stand_in_->set_next_id(99);
  stand_in_->add("else", R"("string")");
  const auto look_up = (*registry)->look_up();
  EXPECT_TRUE(poll_until(**registry, [&] { return look_up(99).value_or(fail(ErrorCode::kIo)) == R"("string")"; }));
}

// A second question holds the partition up, so there are few of them: others may write anything.
TEST_F(SchemaRegistryTest, ManyAbsentIdsAreNotAskedForTwiceEach) {
  const auto registry = open(options());
  ASSERT_TRUE(registry);
  for (std::uint32_t id = 1'000; id < 1'100; ++id) {
    ASSERT_EQ(answer_to(**registry, id), "unknown_schema_id the registry has none");
  }
  EXPECT_EQ(questions(), 100 + 16);
}

TEST_F(SchemaRegistryTest, OfManyAbsentIdsTheOldestIsForgotten) {
  const auto registry = open(options());
  ASSERT_TRUE(registry);
  for (std::uint32_t id = 1'000; id < 1'300; ++id) (void)answer_to(**registry, id);
  const auto before = questions();
  for (std::uint32_t id = 1'299; id > 1'150; --id) (void)answer_to(**registry, id);
  EXPECT_EQ(questions(), before);
  (void)answer_to(**registry, 1'000);
  EXPECT_EQ(questions(), before + 1);
}

// Another team's schema must not end the program.
TEST_F(SchemaRegistryTest, AForeignSchemaThatIsForbiddenIsUnknown) {
  const auto registry = open(options());
  ASSERT_TRUE(registry);
  stand_in_->set_script([](const StandIn::Request&) { return StandIn::response(403, R"({"error_code":40301})"); });
  EXPECT_EQ(answer_to(**registry, 77), "unknown_schema_id HTTP 403");
  EXPECT_EQ(questions("77"), 2);
  EXPECT_TRUE((*registry)->poll());
}

TEST_F(SchemaRegistryTest, WhatTheRegistryWouldAlwaysAnswerIsNotAwaited) {
  const auto registry = open(options());
  ASSERT_TRUE(registry);
  const std::string deep = "{\"a\":" + std::string(300, '[') + std::string(300, ']') + "}";
  std::uint32_t id = 100;
  for (const std::string& bytes :
       {StandIn::response(422, R"({"error_code":42202,"message":"no"})"),
        StandIn::response(400, R"({"error_code":400})"), StandIn::response(200, deep),
        StandIn::response(200, "{\"x\":\"" + std::string(2 * kMaxAnswerBytes, 'x') + "\"}")}) {
    stand_in_->set_script([=](const StandIn::Request&) { return bytes; });
    EXPECT_TRUE(answer_to(**registry, ++id).starts_with("incompatible_schema GET /schemas/ids/"))
        << bytes.substr(0, 80);
    EXPECT_EQ(questions(std::to_string(id)), 2);
  }
  stand_in_->set_script({});
  stand_in_->set_next_id(200);
  stand_in_->add("else", std::string(200'000, '"'));
  EXPECT_EQ(answer_to(**registry, 200), "incompatible_schema a schema of 200000 bytes");
}

// A proxy in front that says 404, for example, must not turn good records into dead letters.
TEST_F(SchemaRegistryTest, OnlyTheRegistryItselfSaysThatAnIdIsAbsent) {
  stand_in_->add("else", R"("string")");
  const auto registry = open(options());
  ASSERT_TRUE(registry);
  for (const std::string& bytes :
       {StandIn::response(404, "<html>"), StandIn::response(404, R"({"error_code":404})"),
        StandIn::response(400, "<html>"), StandIn::response(500, "{}"), StandIn::response(200, "{}")}) {
    stand_in_->set_script([=](const StandIn::Request&) { return bytes; });
    const auto look_up = (*registry)->look_up();
    const std::size_t before = stand_in_->lines().size();
    bool answered = false;
    EXPECT_TRUE(poll_until(**registry, [&] {
      answered = look_up(1).has_value();
      return answered || (stand_in_->lines().size() >= before + 3 && (*registry)->trouble());
    })) << bytes;
    ASSERT_FALSE(answered) << bytes;
  }
  stand_in_->set_script({});
  EXPECT_EQ(answer_to(**registry, 1), R"("string")");
  EXPECT_EQ((*registry)->trouble(), std::nullopt);
}

TEST_F(SchemaRegistryTest, CredentialsThatAreRevokedLaterAreAnError) {
  const auto registry = open(options());
  ASSERT_TRUE(registry);
  stand_in_->set_script([](const StandIn::Request&) { return StandIn::response(401, "{}"); });
  EXPECT_FALSE((*registry)->look_up()(77).has_value());
  EXPECT_FALSE(poll_until(**registry, [] { return false; }));
  EXPECT_EQ((*registry)->poll().error().code, ErrorCode::kRegistryCredentials);
}

TEST_F(SchemaRegistryTest, ASchemaThatIsNotAvroIsRefused) {
  const auto registry = open(options());
  ASSERT_TRUE(registry);
  stand_in_->set_script([](const StandIn::Request&) {
    return StandIn::response(200, R"({"schema":"syntax = \"proto3\";","schemaType":"PROTOBUF"})");
  });
  EXPECT_EQ(answer_to(**registry, 5), "incompatible_schema of type PROTOBUF");
}

TEST_F(SchemaRegistryTest, AFileThatCannotBeWrittenIsTroubleUntilItCan) {
  SchemaRegistryOptions eager = options();
  eager.save_again_ms = 1;
  const auto registry = open(eager);
  ASSERT_TRUE(registry);
  std::filesystem::remove_all(directory_);
  std::ofstream(directory_) << "in its place";
  stand_in_->add("else", R"("string")");
  EXPECT_EQ(answer_to(**registry, 3), R"("string")");
  EXPECT_TRUE(poll_until(**registry, [&] { return (*registry)->trouble().has_value(); }));
  // Another cause that passes does not hide it.
  (void)answer_to(**registry, 99);
  EXPECT_TRUE((*registry)->trouble().value_or("none").contains(directory_.string()));
  std::filesystem::remove_all(directory_);
  EXPECT_TRUE(poll_until(**registry, [&] { return !(*registry)->trouble(); }));
  SchemaIds kept(directory_.string(), stand_in_->url());
  kept.load();
  EXPECT_NE(kept.text_of(3), nullptr);
}

TEST_F(SchemaRegistryTest, AnyNumberOfThreadsMayAskAndPoll) {
  const auto registry = open(options());
  ASSERT_TRUE(registry);
  const WireSchemas schemas = (*registry)->wire_schemas();
  EXPECT_EQ(schemas.ours.size(), 2U);
  const auto in_threads = [](const auto& work) {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back(work);
  };
  stand_in_->add("else", R"("string")");
  std::atomic<int> answered = 0;
  in_threads([&] {
    for (std::uint32_t id = 3; id < 40; ++id) {
      while (!schemas.look_up(id)) ASSERT_TRUE(schemas.poll());
    }
    ++answered;
  });
  EXPECT_EQ(answered, 4);
  stand_in_->set_script([](const StandIn::Request&) { return StandIn::response(401, "{}"); });
  EXPECT_FALSE(schemas.look_up(77));
  std::atomic<int> told = 0;
  in_threads([&] {
    while (schemas.poll()) std::this_thread::yield();
    ++told;
  });
  EXPECT_EQ(told, 4);
  EXPECT_TRUE(schemas.trouble());
}

TEST_F(SchemaRegistryTest, ATextThatIsTooLongDoesNotCostTheFile) {
  SchemaIds ids(directory_.string(), "http://host/");
  ids.set_id("s", "schema", 7);
  ids.set_text(8, std::string(avro::kMaxSchemaBytes, '\1'));  // each takes six characters
  ids.set_text(9, std::string(std::size_t{3} << 20, 'x'));
  // Another process in a container of its own, which has the same number and died.
  std::filesystem::create_directories(fmt::format("{}.{}", ids.path(), ::getpid()));
  ASSERT_TRUE(ids.save());
  SchemaIds again(directory_.string(), "http://host/");
  again.load();
  EXPECT_EQ(again.id_of("s", "schema"), 7U);
  EXPECT_NE(again.text_of(8), nullptr);
  EXPECT_EQ(again.text_of(9), nullptr);
}

TEST_F(SchemaRegistryTest, AFileOfIdsThatIsDamagedCountsAsNone) {
  SchemaIds ids(directory_.string(), "http://host/");
  ids.set_id("s", "schema", 7);
  ids.set_text(9, "text\n\"\\");
  ASSERT_TRUE(ids.save());
  std::ifstream file(ids.path(), std::ios::binary);
  const std::string content{std::istreambuf_iterator<char>(file), {}};
  const auto reads = [&](const std::string& bytes, const std::string& url = "http://host/") {
    std::ofstream(ids.path(), std::ios::binary) << bytes;
    SchemaIds again(directory_.string(), url);
    if (again.path() != ids.path()) std::filesystem::copy_file(ids.path(), again.path());
    again.load();
    const std::string* text = again.text_of(9);
    return again.id_of("s", "schema") == 7 && text != nullptr && *text == "text\n\"\\";
  };
  EXPECT_TRUE(reads(content));
  EXPECT_FALSE(reads(content, "http://other/"));
  for (std::size_t i = 0; i < content.size(); ++i) {
    EXPECT_FALSE(reads(content.substr(0, i))) << i;
    std::string flipped = content;
    flipped[i] = static_cast<char>(flipped[i] ^ 1);
    EXPECT_FALSE(reads(flipped)) << i;
  }
  EXPECT_FALSE(reads(content + content));
  EXPECT_EQ(ids.id_of("s", "another schema"), std::nullopt);
}

}  // namespace
}  // namespace finpipe
