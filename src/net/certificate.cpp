// A private CA and a server certificate, made in memory.
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include "base/random.h"
#include "net/openssl_impl.h"
#include "net/tls.h"
#include "net/tls_impl.h"

namespace finpipe::net {
namespace {

using Extension = std::unique_ptr<X509_EXTENSION, Deleter<X509_EXTENSION_free>>;
using Names = std::unique_ptr<GENERAL_NAMES, Deleter<GENERAL_NAMES_free>>;

std::unexpected<Error> failed(std::string_view what) {
  return fail(ErrorCode::kBadCertificate, fmt::format("{}: {}", what, take_openssl_error()));
}

Key new_key() { return Key(EVP_EC_gen("P-256")); }

bool set_serial(X509* certificate) {
  std::array<std::byte, 16> bytes = random_id();
  bytes[0] &= std::byte{0x7f};  // positive
  const std::unique_ptr<BIGNUM, Deleter<BN_free>> number(
      BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), nullptr));
  return number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool add_extension(X509* certificate, X509* issuer, int kind, const char* value) {
  X509V3_CTX context{};
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, kind, value));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

// A name goes in as data, and never through OpenSSL's configuration syntax.
bool add_name(GENERAL_NAMES* names, const std::string& name) {
  std::unique_ptr<GENERAL_NAME, Deleter<GENERAL_NAME_free>> entry(GENERAL_NAME_new());
  if (!entry) return false;
  if (ASN1_OCTET_STRING* const address = a2i_IPADDRESS(name.c_str()); address != nullptr) {
    GENERAL_NAME_set0_value(entry.get(), GEN_IPADD, address);
  } else {
    ERR_clear_error();
    ASN1_IA5STRING* const text = ASN1_IA5STRING_new();
    if (text == nullptr) return false;
    GENERAL_NAME_set0_value(entry.get(), GEN_DNS, text);
    if (ASN1_STRING_set(text, name.data(), static_cast<int>(name.size())) != 1) return false;
  }
  if (sk_GENERAL_NAME_push(names, entry.get()) <= 0) return false;
  (void)entry.release();  // the stack owns it now
  return true;
}

bool add_names(X509* certificate, std::span<const std::string> names) {
  const Names list(GENERAL_NAMES_new());
  if (!list) return false;
  for (const std::string& name : names) {
    if (!add_name(list.get(), name)) return false;
  }
  return X509_add1_ext_i2d(certificate, NID_subject_alt_name, list.get(), 0, 0) == 1;
}

// Version, serial number, validity, subject and key; neither issuer nor signature.
Certificate new_certificate(EVP_PKEY* key, const std::string& subject, int days) {
  Certificate certificate(X509_new());
  if (!certificate || X509_set_version(certificate.get(), X509_VERSION_3) != 1 || !set_serial(certificate.get()) ||
      X509_time_adj_ex(X509_getm_notBefore(certificate.get()), -1, 0, nullptr) == nullptr ||
      X509_time_adj_ex(X509_getm_notAfter(certificate.get()), days - 1, 0, nullptr) == nullptr ||
      X509_set_pubkey(certificate.get(), key) != 1 ||
      X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(subject.data()),
                                 static_cast<int>(subject.size()), -1, 0) != 1) {
    return nullptr;
  }
  return certificate;
}

bool sign(X509* certificate, X509* issuer, EVP_PKEY* issuer_key) {
  return X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1 &&
         add_extension(certificate, issuer, NID_subject_key_identifier, "hash") &&
         add_extension(certificate, issuer, NID_authority_key_identifier, "keyid:always") &&
         X509_sign(certificate, issuer_key, EVP_sha256()) > 0;
}

template <typename Write>
std::string pem(Write write) {
  const Bio bio(BIO_new(BIO_s_mem()));
  if (!bio || write(bio.get()) != 1) return {};
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

}  // namespace

Result<GeneratedCertificate> generate_certificate(std::span<const std::string> names, int days) {
  if (names.empty()) return fail(ErrorCode::kBadCertificate, "no name given");
  const Key ca_key = new_key();
  const Key key = new_key();
  if (!ca_key || !key) return failed("key");

  const Certificate ca = new_certificate(ca_key.get(), "finpipe demo CA", days);
  if (!ca || !add_extension(ca.get(), ca.get(), NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
      !add_extension(ca.get(), ca.get(), NID_key_usage, "critical,keyCertSign,cRLSign") ||
      !sign(ca.get(), ca.get(), ca_key.get())) {
    return failed("authority");
  }
  const Certificate certificate = new_certificate(key.get(), "finpipe demo", days);
  if (!certificate || !add_extension(certificate.get(), ca.get(), NID_basic_constraints, "critical,CA:FALSE") ||
      !add_extension(certificate.get(), ca.get(), NID_key_usage, "critical,digitalSignature") ||
      !add_extension(certificate.get(), ca.get(), NID_ext_key_usage, "serverAuth,clientAuth") ||
      !add_names(certificate.get(), names) || !sign(certificate.get(), ca.get(), ca_key.get())) {
    return failed("certificate");
  }
  return GeneratedCertificate{
      .ca_pem = pem([&](BIO* bio) { return PEM_write_bio_X509(bio, ca.get()); }),
      .certificate_pem = pem([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate.get()); }),
      .key_pem = pem([&](BIO* bio) {
        return PEM_write_bio_PKCS8PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
      }),
  };
}

}  // namespace finpipe::net
