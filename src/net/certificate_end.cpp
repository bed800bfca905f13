#include "net/certificate_end.h"

#include <openssl/err.h>
#include <openssl/x509.h>

#include <ctime>

#include "net/openssl_impl.h"

namespace finpipe::net {

std::int64_t end_of(const X509* certificate) {
  std::tm end{};
  return ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) == 1 ? timegm(&end) : kNeverEnds;
}

std::optional<std::int64_t> unless_never(std::int64_t end_s) {
  return end_s == kNeverEnds ? std::nullopt : std::optional(end_s);
}

std::optional<std::int64_t> not_after_s_of_der(std::string_view der) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(der.data());
  const Certificate certificate(d2i_X509(nullptr, &bytes, static_cast<long>(der.size())));
  ERR_clear_error();
  return certificate ? unless_never(end_of(certificate.get())) : std::nullopt;
}

}  // namespace finpipe::net
