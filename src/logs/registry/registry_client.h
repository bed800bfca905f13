// Requests to a schema registry with Confluent's REST API, and what its answers mean.
// Source: https://docs.confluent.io/platform/current/schema-registry/develop/api.html
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "codec/flat_json.h"
#include "net/event_loop.h"
#include "net/http_client.h"
#include "net/tls.h"
#include "net/url.h"

namespace finpipe {

constexpr std::size_t kMaxAnswerBytes = std::size_t{1} << 20;

struct RegistryAnswer {
  enum class Kind : std::uint8_t {
    kDone,     // `body` is what was asked for
    kAbsent,   // the registry says that it has no such thing: 404 with a code of its own
    kTrouble,  // no answer, or none of a registry, or one for now: to be asked again
    kRefused,  // asking again is of no use
  };
  Kind kind = Kind::kTrouble;
  int status = 0;
  bool own = false;  // kTrouble or kRefused, and the registry itself says so: it would again
  FlatJson body{};
  Error error{};  // of kTrouble and kRefused; never a secret
};

class RegistryClient {
 public:
  struct Options {
    net::Url url;
    std::string user, password;
    std::shared_ptr<net::TlsContext> tls;
    std::int64_t timeout_ms = 5'000;
  };

  RegistryClient(net::EventLoop& loop, Options options);

  // One attempt; `done` is called once, from the loop. `path` is below the registry's URL; an empty body is none.
  void ask(std::string_view method, std::string_view path, std::string body,
           std::move_only_function<void(RegistryAnswer)> done);

 private:
  [[nodiscard]] RegistryAnswer judge(std::string_view what, Result<net::HttpClientResponse> response) const;
  [[nodiscard]] std::string message_of(const FlatJson& body) const;

  net::EventLoop& loop_;
  Options options_;
  std::string base_;  // the URL's path without a slash at its end
  std::string authorization_;
};

}  // namespace finpipe
