#include "net/tls.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/clock.h"
#include "base/time.h"
#include "net/certificate_end.h"
#include "net/openssl_impl.h"
#include "net/tls_impl.h"

namespace finpipe::net {
namespace {

namespace ssl = boost::asio::ssl;

std::unexpected<Error> bad(std::string_view what) {
  return fail(ErrorCode::kBadCertificate, fmt::format("{}: {}", what, take_openssl_error()));
}

// For a key with a passphrase OpenSSL would ask on the terminal.
int no_passphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*data*/) { return -1; }

Result<Bio> reader(const std::string& pem, std::string_view what) {
  if (pem.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
    return fail(ErrorCode::kBadCertificate, fmt::format("{}: too large", what));
  }
  return Bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

// Each certificate of the text; there must be one.
template <typename Use>
Result<void> for_each_certificate(const std::string& pem, std::string_view what, Use use) {
  FINPIPE_TRY_ASSIGN(bio, reader(pem, what));
  ERR_clear_error();
  int count = 0;
  while (Certificate certificate{PEM_read_bio_X509_AUX(bio.get(), nullptr, no_passphrase, nullptr)}) {
    if (!use(std::move(certificate), count++)) return bad(what);
  }
  const unsigned long last = ERR_peek_last_error();
  const bool at_end = ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
  if (count == 0 || !at_end) return bad(what);
  ERR_clear_error();
  return {};
}

Result<void> trust(SSL_CTX* context, const std::string& pem, std::string_view what) {
  X509_STORE* const store = SSL_CTX_get_cert_store(context);
  return for_each_certificate(pem, what, [&](Certificate certificate, int) {
    return X509_STORE_add_cert(store, certificate.get()) == 1;  // takes a reference of its own
  });
}

// When the first of them ends, and the last.
std::pair<std::int64_t, std::int64_t> ends_of(const std::string& pem) {
  std::pair<std::int64_t, std::int64_t> ends{kNeverEnds, 0};
  const auto read = for_each_certificate(pem, "certificate", [&](const Certificate& certificate, int) {
    const std::int64_t end_s = end_of(certificate.get());
    ends = {std::min(ends.first, end_s), std::max(ends.second, end_s)};
    return true;
  });
  return read ? ends : std::pair{kNeverEnds, kNeverEnds};
}

Result<void> identify(SSL_CTX* context, const std::string& certificate_pem, const std::string& key_pem) {
  FINPIPE_TRY(for_each_certificate(certificate_pem, "certificate", [&](Certificate certificate, int index) {
    if (index == 0) return SSL_CTX_use_certificate(context, certificate.get()) == 1;
    if (SSL_CTX_add_extra_chain_cert(context, certificate.get()) != 1) return false;
    (void)certificate.release();  // the context owns it now
    return true;
  }));
  FINPIPE_TRY_ASSIGN(bio, reader(key_pem, "key"));
  ERR_clear_error();
  const Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
  if (!key || SSL_CTX_use_PrivateKey(context, key.get()) != 1) return bad("key");
  if (SSL_CTX_check_private_key(context) != 1) return bad("key and certificate");
  return {};
}

bool is_address(const std::string& host) {
  const std::unique_ptr<ASN1_OCTET_STRING, Deleter<ASN1_OCTET_STRING_free>> address(a2i_IPADDRESS(host.c_str()));
  ERR_clear_error();
  return address != nullptr;
}

ErrorCode code_of(long verify_result) {
  switch (verify_result) {
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT: return ErrorCode::kTlsSelfSigned;
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
    case X509_V_ERR_CERT_UNTRUSTED: return ErrorCode::kTlsUnknownCa;
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID: return ErrorCode::kTlsExpired;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH: return ErrorCode::kTlsWrongHost;
    default: return ErrorCode::kTlsFailed;
  }
}

}  // namespace

TlsContext::TlsContext(std::unique_ptr<Implementation> implementation) : implementation_(std::move(implementation)) {}
TlsContext::~TlsContext() = default;

Result<std::shared_ptr<TlsContext>> TlsContext::client(const TlsClientOptions& options) {
  auto implementation = std::make_unique<Implementation>(ssl::context(ssl::context::tls_client));
  SSL_CTX* const context = implementation->context.native_handle();
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  if (options.ca_pem.empty()) {
    if (SSL_CTX_set_default_verify_paths(context) != 1) return bad("the system's authorities");
  } else {
    FINPIPE_TRY(trust(context, options.ca_pem, "authority"));
  }
  if (!options.certificate_pem.empty()) FINPIPE_TRY(identify(context, options.certificate_pem, options.key_pem));
  implementation->given_not_after_s = std::min(options.ca_pem.empty() ? kNeverEnds : ends_of(options.ca_pem).second,
                                               ends_of(options.certificate_pem).first);
  return std::shared_ptr<TlsContext>(new TlsContext(std::move(implementation)));
}

Result<std::shared_ptr<TlsContext>> TlsContext::server(const TlsServerOptions& options) {
  auto implementation = std::make_unique<Implementation>(ssl::context(ssl::context::tls_server));
  SSL_CTX* const context = implementation->context.native_handle();
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  FINPIPE_TRY(identify(context, options.certificate_pem, options.key_pem));
  if (!options.client_ca_pem.empty()) {
    FINPIPE_TRY(trust(context, options.client_ca_pem, "clients' authority"));
    FINPIPE_TRY(for_each_certificate(options.client_ca_pem, "clients' authority", [&](Certificate certificate, int) {
      return SSL_CTX_add_client_CA(context, certificate.get()) == 1;
    }));
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    // Resumed sessions of verified clients need a name of what they were verified for.
    constexpr std::string_view kName = "finpipe";
    SSL_CTX_set_session_id_context(context, reinterpret_cast<const unsigned char*>(kName.data()), kName.size());
  }
  return std::shared_ptr<TlsContext>(new TlsContext(std::move(implementation)));
}

std::optional<std::int64_t> TlsContext::not_after_s(std::int64_t now_s) const {
  const std::int64_t given_s = implementation_->given_not_after_s;
  const std::int64_t shown_s = implementation_->shown_not_after_s;
  return unless_never(counts_still(shown_s, implementation_->shown_s, now_s) ? std::min(given_s, shown_s) : given_s);
}

void TlsContext::Implementation::note_shown(const SSL* ssl) {
  // Up to who is trusted, or as far as it was found; also when the verification has failed.
  const STACK_OF(X509)* const chain = SSL_get0_verified_chain(ssl);
  if (chain == nullptr) return;
  std::int64_t first_s = kNeverEnds;
  for (int i = 0; i < sk_X509_num(chain); ++i) first_s = std::min(first_s, end_of(sk_X509_value(chain, i)));
  shown_not_after_s = first_s;
  shown_s = SystemClock().wall_ns() / kNsPerSecond;
}

std::optional<std::int64_t> not_after_s_of_pem(const std::string& pem) { return unless_never(ends_of(pem).first); }

Result<void> expect_host(SSL* ssl, const std::string& host) {
  X509_VERIFY_PARAM* const parameters = SSL_get0_param(ssl);
  X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  const bool set = is_address(host) ? X509_VERIFY_PARAM_set1_ip_asc(parameters, host.c_str()) == 1
                                    : X509_VERIFY_PARAM_set1_host(parameters, host.c_str(), host.size()) == 1 &&
                                          SSL_set_tlsext_host_name(ssl, host.c_str()) == 1;
  if (!set) return fail(ErrorCode::kTlsFailed, fmt::format("{}: {}", host, take_openssl_error()));
  return {};
}

Error handshake_error(const SSL* ssl, std::string_view host, std::string reason) {
  const long result = SSL_get_verify_result(ssl);
  if (result == X509_V_OK) return Error{ErrorCode::kTlsFailed, fmt::format("{}: {}", host, reason)};
  return Error{code_of(result), fmt::format("{}: {}", host, X509_verify_cert_error_string(result))};
}

std::string take_openssl_error() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* const reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : "not usable";
}

}  // namespace finpipe::net
