// What a TlsContext is inside, and what an X.509 verification result means.
#pragma once

#include <openssl/types.h>

#include <atomic>
#include <boost/asio/ssl/context.hpp>
#include <cstdint>
#include <string>
#include <string_view>

#include "net/openssl_impl.h"
#include "net/tls.h"

namespace finpipe::net {

struct TlsContext::Implementation {
  boost::asio::ssl::context context;
  std::int64_t given_not_after_s = kNeverEnds;               // what the options had
  std::atomic<std::int64_t> shown_not_after_s = kNeverEnds;  // what the last server had,
  std::atomic<std::int64_t> shown_s = 0;                     // and when

  // A handshake of a client has ended, this way or that.
  void note_shown(const SSL* ssl);
};

// Prepares a client's connection to `host`: the name in the greeting, and what its certificate must be for.
[[nodiscard]] Result<void> expect_host(SSL* ssl, const std::string& host);

// Why a handshake failed, by what the verification of the peer's certificate found; `reason` when it found nothing.
[[nodiscard]] Error handshake_error(const SSL* ssl, std::string_view host, std::string reason);

// Takes the oldest entry of OpenSSL's error queue of this thread and drops the rest.
[[nodiscard]] std::string take_openssl_error();

}  // namespace finpipe::net
