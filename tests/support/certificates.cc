#include "tests/support/certificates.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <atomic>

#include "server/security/openssl_ptr.h"

namespace slotmatch {
namespace {

constexpr int kDay = 24 * 60 * 60;

std::string TextOf(const Bio& bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, size);
}

Bio Reading(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

void AddExtension(int nid, const char* value, X509* issuer, X509* certificate) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

// Signed by `issuer` with its key, or by itself when they are null.
TestCertificate Make(const std::string& name, X509* issuer, EVP_PKEY* issuer_key) {
  static std::atomic<long> serial{1};
  const PrivateKey key(EVP_EC_gen("P-256"));
  const Certificate certificate(X509_new());
  X509* raw = certificate.get();
  X509_set_version(raw, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(raw), serial++);
  X509_gmtime_adj(X509_getm_notBefore(raw), -kDay);
  X509_gmtime_adj(X509_getm_notAfter(raw), kDay);
  X509_NAME* subject = X509_get_subject_name(raw);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(name.data()),
                             static_cast<int>(name.size()), -1, 0);
  X509_set_issuer_name(raw, issuer == nullptr ? subject : X509_get_subject_name(issuer));
  X509_set_pubkey(raw, key.get());
  if (issuer == nullptr) {
    AddExtension(NID_basic_constraints, "critical,CA:TRUE", raw, raw);
  } else {
    AddExtension(NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1", issuer, raw);
  }
  X509_sign(raw, issuer_key == nullptr ? key.get() : issuer_key, EVP_sha256());
  const Bio certificate_text(BIO_new(BIO_s_mem())), key_text(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(certificate_text.get(), raw);
  PEM_write_bio_PrivateKey(key_text.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return {TextOf(certificate_text), TextOf(key_text)};
}

}  // namespace

TestCertificate MakeAuthority(const std::string& name) { return Make(name, nullptr, nullptr); }

TestCertificate MakeCertificate(const std::string& name, const TestCertificate& authority) {
  const Certificate issuer(
      PEM_read_bio_X509(Reading(authority.certificate).get(), nullptr, nullptr, nullptr));
  const PrivateKey key(
      PEM_read_bio_PrivateKey(Reading(authority.key).get(), nullptr, nullptr, nullptr));
  return Make(name, issuer.get(), key.get());
}

}  // namespace slotmatch
