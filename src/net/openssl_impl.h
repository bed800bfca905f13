// OpenSSL's objects, freed by a function of it.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>

namespace finpipe::net {

template <auto Free>
struct Deleter {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Bio = std::unique_ptr<BIO, Deleter<BIO_free>>;
using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;

// When it ends, in seconds since 1970.
constexpr std::int64_t kNeverEnds = std::numeric_limits<std::int64_t>::max();
[[nodiscard]] std::int64_t end_of(const X509* certificate);
[[nodiscard]] std::optional<std::int64_t> unless_never(std::int64_t end_s);

}  // namespace finpipe::net
