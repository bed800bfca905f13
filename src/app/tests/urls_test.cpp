#include "app/urls.h"

#include <gtest/gtest.h>

namespace finpipe {
namespace {

template <typename T>
std::string refusal(const Result<T>& result, ErrorCode code = ErrorCode::kBadUrl) {
  if (result) return "accepted";
  EXPECT_EQ(result.error().code, code);
  return result.error().detail;
}

std::string tape_of(std::string_view url) { return std::get<TapeUrl>(parse_feed_url(url).value()).path; }

TEST(Urls, APartIsNamedBySchemeAndPath) {
  EXPECT_EQ(tape_of("tape:data/a b.tape"), "data/a b.tape");
  EXPECT_EQ(tape_of("tape:/data/x:y"), "/data/x:y");
  EXPECT_EQ(*embedded_directory("log", "embedded:./log"), "./log");
  EXPECT_EQ(*embedded_directory("store", "embedded:C"), "C");
}

TEST(Urls, LiveFeedsAreTheVendorTheDemoAndServersThatSpeakItsProtocol) {
  EXPECT_TRUE(std::holds_alternative<VendorUrl>(parse_feed_url("finnhub:").value()));
  EXPECT_EQ(std::get<DemoUrl>(parse_feed_url("sim:").value()).tape, "");
  EXPECT_EQ(std::get<DemoUrl>(parse_feed_url("sim:data/a.tape").value()).tape, "data/a.tape");
  const auto url = std::get<net::Url>(parse_feed_url("wss://host:8443/path?a=b").value());
  EXPECT_TRUE(url.tls());
  EXPECT_EQ(url.host, "host");
  EXPECT_EQ(url.port, 8443);
  EXPECT_EQ(url.target, "/path?a=b");
  EXPECT_FALSE(std::get<net::Url>(parse_feed_url("ws://127.0.0.1:80").value()).tls());
}

TEST(Urls, MalformedOnesSayWhatIsWrong) {
  const std::string forms = "tape:PATH, sim:, finnhub: or wss://HOST";
  EXPECT_EQ(refusal(parse_feed_url("data/a.tape")), "feed 'data/a.tape': it must have the form " + forms);
  EXPECT_EQ(refusal(parse_feed_url("tape:")), "feed 'tape:': the path is missing; it must have the form " + forms);
  EXPECT_EQ(refusal(parse_feed_url("tape://a")), "feed 'tape://a': a path follows the colon directly: " + forms);
  EXPECT_EQ(refusal(parse_feed_url("Tape:a")), "feed 'Tape:a': there is no 'Tape:'; it must have the form " + forms);
  EXPECT_EQ(refusal(parse_feed_url("wss:host")), "feed 'wss:host': it must have the form wss://HOST[:PORT][/PATH]");
  EXPECT_EQ(refusal(parse_feed_url("sim://x")), "feed 'sim://x': it must have the form sim: or sim:PATH");
  EXPECT_EQ(refusal(embedded_directory("log", "rocksdb:a")),
            "log 'rocksdb:a': there is no 'rocksdb:'; it must have the form embedded:DIR or "
            "kafka://HOST[:PORT][,HOST...][/PREFIX]");
  EXPECT_EQ(refusal(embedded_directory("store", "tape:a")),
            "store 'tape:a': there is no 'tape:'; it must have the form embedded:DIR or "
            "cassandra://HOST[:PORT][,HOST...]/KEYSPACE");
}

TEST(Urls, ALogIsADirectoryOrTopicsOfKafka) {
  EXPECT_EQ(std::get<DirectoryUrl>(parse_log_url("embedded:./log").value()).directory, "./log");
  const auto kafka = [](std::string_view url) {
    const auto parsed = std::get<KafkaUrl>(parse_log_url(url).value());
    return parsed.brokers + " " + parsed.prefix;
  };
  EXPECT_EQ(kafka("kafka://127.0.0.1"), "127.0.0.1:9092 finnhub");
  EXPECT_EQ(kafka("kafka://b1:9192,b2,[::1]:9093/"), "b1:9192,b2:9092,[::1]:9093 finnhub");
  EXPECT_EQ(kafka("kafka://b/team-a.Ticks_2"), "b:9092 team-a.Ticks_2");
  EXPECT_EQ(kafka("kafka://b/" + std::string(200, 'p')), "b:9092 " + std::string(200, 'p'));
}

TEST(Urls, AKafkaLogThatCannotBeMeantSaysWhy) {
  const auto said = [](std::string_view url) { return refusal(parse_log_url(url)); };
  EXPECT_EQ(said("kafka:b1"),
            "log 'kafka:b1': it must have the form embedded:DIR or kafka://HOST[:PORT][,HOST...][/PREFIX]");
  for (const std::string& url : {std::string("kafka://b/a/b"), std::string("kafka://b/.a"),
                                 std::string("kafka://b/a b"), "kafka://b/" + std::string(201, 'p')}) {
    EXPECT_NE(said(url).find("cannot begin names of topics"), std::string::npos) << url;
  }
  for (const std::string_view url : {"kafka://", "kafka:///p", "kafka://a,", "kafka://a:0", "kafka://::1/p"})
    EXPECT_NE(said(url).find("is not HOST or HOST:PORT"), std::string::npos) << url;
  EXPECT_NE(said("kafka://b?acks=1").find("see the settings kafka-*"), std::string::npos);
  for (const std::string_view url : {"kafka://me:secret@b", "kafka:me:secret@b", "kafka://b/secret@p"}) {
    EXPECT_NE(said(url).find("FINPIPE_KAFKA_PASSWORD"), std::string::npos) << url;
    EXPECT_EQ(said(url).find("sec"), std::string::npos) << said(url);
  }
}

TEST(Urls, AStoreIsADirectoryOrAKeyspaceOfCassandra) {
  EXPECT_EQ(std::get<DirectoryUrl>(parse_store_url("embedded:./store").value()).directory, "./store");
  const auto cassandra = [](std::string_view url) {
    const auto parsed = std::get<CassandraUrl>(parse_store_url(url).value());
    return parsed.contact_points + " " + parsed.keyspace;
  };
  EXPECT_EQ(cassandra("cassandra://127.0.0.1/finpipe"), "127.0.0.1:9042 finpipe");
  EXPECT_EQ(cassandra("cassandra://db1:9142,db2,10.0.0.3:9043/Ticks_2"), "db1:9142,db2:9042,10.0.0.3:9043 Ticks_2");
  EXPECT_EQ(cassandra("cassandra://[::1],[2001:db8::2]:9142/k"), "[::1]:9042,[2001:db8::2]:9142 k");
  EXPECT_EQ(cassandra("cassandra://h/" + std::string(48, 'k')), "h:9042 " + std::string(48, 'k'));
}

TEST(Urls, ACassandraStoreThatCannotBeMeantSaysWhy) {
  const auto said = [](std::string_view url) { return refusal(parse_store_url(url)); };
  const std::string form = "it must have the form embedded:DIR or cassandra://HOST[:PORT][,HOST...]/KEYSPACE";
  EXPECT_EQ(said("cassandra://host:9042"), "store 'cassandra://host:9042': the keyspace is missing; " + form);
  EXPECT_EQ(said("cassandra://host/"), "store 'cassandra://host/': the keyspace is missing; " + form);
  EXPECT_EQ(said("cassandra:host/k"), "store 'cassandra:host/k': " + form);
  for (const std::string_view url : {"cassandra://h/2k", "cassandra://h/_k", "cassandra://h/a-b", "cassandra://h/a/b"})
    EXPECT_NE(said(url).find("cannot be a keyspace"), std::string::npos) << url;
  EXPECT_NE(said("cassandra://h/" + std::string(49, 'k')).find("cannot be a keyspace"), std::string::npos);
  for (const std::string_view url :
       {"cassandra:///k", "cassandra://a,/k", "cassandra://a,,b/k", "cassandra://a:/k", "cassandra://a:0/k",
        "cassandra://a:65536/k", "cassandra://::1/k", "cassandra://[::1/k", "cassandra://a b/k"}) {
    EXPECT_NE(said(url).find("is not HOST or HOST:PORT"), std::string::npos) << url;
  }
  EXPECT_NE(said("cassandra://h/k?consistency=ONE").find("see the settings cassandra-*"), std::string::npos);
}

TEST(Urls, ACassandraStoreTakesNoCredentialsInItsUrlAndDoesNotRepeatThem) {
  for (const std::string_view url : {"cassandra://me:secret@h/k", "cassandra://me:sec/ret@h/k", "cassandra:me:secret@h",
                                     "cassandra://secret@h", "cassandra://h/k?u=me@secret@x"}) {
    const std::string said = refusal(parse_store_url(url));
    EXPECT_NE(said.find("FINPIPE_CASSANDRA_PASSWORD"), std::string::npos) << said;
    EXPECT_EQ(said.find("sec"), std::string::npos) << said;
  }
}

TEST(Urls, CredentialsAreNotRepeatedInMessages) {
  EXPECT_EQ(refusal(parse_feed_url("wss://me:secret@host")).find("secret"), std::string::npos);
}

TEST(Urls, WithoutAFeedTheMessageNamesTheFlag) {
  EXPECT_EQ(refusal(parse_feed_url(""), ErrorCode::kBadSetting),
            "no feed is set: give --feed tape:PATH, sim:, finnhub: or wss://HOST");
}

}  // namespace
}  // namespace finpipe
