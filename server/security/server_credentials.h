#pragma once

#include <grpcpp/security/server_credentials.h>

#include <memory>

#include "absl/status/statusor.h"
#include "slotmatch/config/serve.pb.h"

namespace slotmatch {

// Credentials of the data port: plaintext when no certificate is configured, else TLS 1.2 or newer
// whose files are read again as they change; with a client CA, clients must show a certificate it
// signed. FAILED_PRECONDITION names a setting that is missing, a file that cannot be read or is no
// PEM, or a key that does not belong to the certificate: gRPC itself would only refuse handshakes.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(
    const config::TlsConfig& config);

}  // namespace slotmatch
