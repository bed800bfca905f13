// Parts are chosen by URL. This says which part of this program a URL names, or why it names none (kBadUrl).
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "base/error.h"
#include "net/url.h"

namespace finpipe {

struct TapeUrl {
  std::string path;
};
struct DemoUrl {
  std::string tape;  // path; empty: the one in the program
};
struct VendorUrl {};
using FeedUrl = std::variant<TapeUrl, DemoUrl, VendorUrl, net::Url>;

// tape:PATH, sim: or sim:PATH, finnhub:, and wss://HOST[:PORT][/PATH] or ws:// likewise.
[[nodiscard]] Result<FeedUrl> parse_feed_url(std::string_view feed_url);

// embedded:DIR, the directory. `setting` is how messages call the URL: log or store.
[[nodiscard]] Result<std::string> embedded_directory(std::string_view setting, std::string_view url);

struct DirectoryUrl {
  std::string directory;
};
struct CassandraUrl {
  std::string contact_points;  // "host:port,host:port", IPv6 addresses in brackets
  std::string keyspace;
};
using StoreUrl = std::variant<DirectoryUrl, CassandraUrl>;
struct KafkaUrl {
  std::string brokers;  // "host:port,host:port", IPv6 addresses in brackets
  std::string prefix;   // of the topics' names

  [[nodiscard]] bool is_loopback() const;  // all of them
};
using LogUrl = std::variant<DirectoryUrl, KafkaUrl>;

// embedded:DIR, or kafka://HOST[:PORT][,HOST[:PORT]...][/PREFIX] with port 9092 and prefix finnhub where none is given.
[[nodiscard]] Result<LogUrl> parse_log_url(std::string_view url);

// embedded:DIR, or cassandra://HOST[:PORT][,HOST[:PORT]...]/KEYSPACE with port 9042 where none is given.
[[nodiscard]] Result<StoreUrl> parse_store_url(std::string_view url);

}  // namespace finpipe
