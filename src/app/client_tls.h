// Files of PEM, and TLS to a server with them.
#pragma once

#include <memory>
#include <string>

#include "base/error.h"
#include "net/tls.h"

namespace finpipe {

// Error: kNotFound.
[[nodiscard]] Result<std::string> read_pem(const std::string& path);

// An empty path: none, of `ca_file` those that the system trusts. Errors: kNotFound, kBadCertificate.
[[nodiscard]] Result<std::shared_ptr<net::TlsContext>> client_tls(const std::string& ca_file,
                                                                  const std::string& certificate_file = {},
                                                                  const std::string& key_file = {});

}  // namespace finpipe
