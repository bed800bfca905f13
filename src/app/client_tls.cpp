#include "app/client_tls.h"

#include <fstream>
#include <iterator>

namespace finpipe {
namespace {

Result<std::string> read_given(const std::string& path) { return path.empty() ? std::string() : read_pem(path); }

}  // namespace

Result<std::string> read_pem(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(ErrorCode::kNotFound, path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

Result<std::shared_ptr<net::TlsContext>> client_tls(const std::string& ca_file, const std::string& certificate_file,
                                                    const std::string& key_file) {
  FINPIPE_TRY_ASSIGN(ca, read_given(ca_file));
  FINPIPE_TRY_ASSIGN(certificate, read_given(certificate_file));
  FINPIPE_TRY_ASSIGN(key, read_given(key_file));
  return net::TlsContext::client({.ca_pem = ca, .certificate_pem = certificate, .key_pem = key});
}

}  // namespace finpipe
