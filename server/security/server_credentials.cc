#include "server/security/server_credentials.h"

#include <grpcpp/security/tls_credentials_options.h>
#include <openssl/pem.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "core/base/status.h"
#include "server/security/openssl_ptr.h"

namespace slotmatch {
namespace {

constexpr int64_t kMaxPemBytes = 1 << 20;

absl::StatusOr<std::string> ReadPem(const char* setting, const std::string& path) {
  absl::StatusOr<std::string> text = ReadFile(path, kMaxPemBytes);
  if (text.ok()) return text;
  return absl::FailedPreconditionError(absl::StrCat(setting, ": ", text.status().message()));
}

absl::StatusOr<Certificate> ReadCertificate(const char* setting, const std::string& path) {
  SM_ASSIGN_OR_RETURN(const std::string text, ReadPem(setting, path));
  const Bio bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  Certificate certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (certificate != nullptr) return certificate;
  return absl::FailedPreconditionError(
      absl::StrCat(setting, ": ", path, " holds no certificate in PEM"));
}

absl::Status CheckPair(const config::TlsConfig& config) {
  SM_ASSIGN_OR_RETURN(const Certificate certificate,
                      ReadCertificate("security.tls.certificate_file", config.certificate_file()));
  SM_ASSIGN_OR_RETURN(const std::string text, ReadPem("security.tls.key_file", config.key_file()));
  const Bio bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  const auto no_password = [](char*, int, int, void*) { return 0; };
  const PrivateKey key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr));
  if (key == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("security.tls.key_file: ", config.key_file(),
                     " holds no private key in PEM without password"));
  }
  if (X509_check_private_key(certificate.get(), key.get()) != 1) {
    return absl::FailedPreconditionError(
        absl::StrCat("security.tls: the key in ", config.key_file(),
                     " does not belong to the certificate in ", config.certificate_file()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(
    const config::TlsConfig& config) {
  const bool plain = config.certificate_file().empty() && config.key_file().empty();
  if (plain && config.client_ca_file().empty()) return grpc::InsecureServerCredentials();
  if (config.certificate_file().empty() || config.key_file().empty()) {
    return absl::FailedPreconditionError(
        "security.tls needs both certificate_file and key_file, or neither");
  }
  SM_RETURN_IF_ERROR(CheckPair(config));
  const bool mutual = !config.client_ca_file().empty();
  if (mutual) {
    SM_RETURN_IF_ERROR(
        ReadCertificate("security.tls.client_ca_file", config.client_ca_file()).status());
  }
  const auto provider = std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
      config.key_file(), config.certificate_file(), config.client_ca_file(),
      config.reload_interval_s());
  grpc::experimental::TlsServerCredentialsOptions options(provider);
  options.watch_identity_key_cert_pairs();
  if (mutual) options.watch_root_certs();
  options.set_cert_request_type(mutual ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                                       : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
  return grpc::experimental::TlsServerCredentials(options);
}

}  // namespace slotmatch
