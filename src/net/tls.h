// TLS as the rest of the house configures it: PEM text in, a context out that clients and servers share. TLS 1.2 and
// newer only. A client always verifies chain and host name: there is no way to switch that off, a private CA is given
// instead.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace finpipe::net {

struct TlsClientOptions {
  std::string ca_pem{};           // trusted certificates; empty: the system's
  std::string certificate_pem{};  // of this client, with its chain; empty: none
  std::string key_pem{};
};

struct TlsServerOptions {
  std::string certificate_pem;  // with its chain
  std::string key_pem;
  std::string client_ca_pem{};  // not empty: clients must show a certificate that these have signed
};

class TlsContext {
 public:
  // Error: kBadCertificate naming which PEM cannot be used and why.
  [[nodiscard]] static Result<std::shared_ptr<TlsContext>> client(const TlsClientOptions& options);
  [[nodiscard]] static Result<std::shared_ptr<TlsContext>> server(const TlsServerOptions& options);
  ~TlsContext();

  // Of a client's: when the first certificate ends, in seconds since 1970, of its own and of those that the last server
  // showed, whether it was let in or not (counts_still); those of ca_pem count until the last of them ends. nullopt:
  // there is none. Any thread.
  [[nodiscard]] std::optional<std::int64_t> not_after_s(std::int64_t now_s) const;

  struct Implementation;
  [[nodiscard]] Implementation& implementation() const { return *implementation_; }

 private:
  explicit TlsContext(std::unique_ptr<Implementation> implementation);
  std::unique_ptr<Implementation> implementation_;
};

// When the first of these certificates ends, in seconds since 1970; nullopt: there is none in it that can be read.
[[nodiscard]] std::optional<std::int64_t> not_after_s_of_pem(const std::string& pem);

// A new private CA and a server certificate that it has signed, for the demo's loopback server: nothing of it is
// written to disk and nobody else trusts it.
struct GeneratedCertificate {
  std::string ca_pem;
  std::string certificate_pem;
  std::string key_pem;
};
// `names`: host names or IP addresses that the certificate is for. Valid from a day ago for `days`.
[[nodiscard]] Result<GeneratedCertificate> generate_certificate(std::span<const std::string> names, int days);

}  // namespace finpipe::net
