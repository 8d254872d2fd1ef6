#pragma once

#include <grpcpp/support/status.h>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace slotmatch {

// The status a client sees: same code, message capped at 512 bytes (it travels in HTTP/2 trailers).
// Payloads travel in grpc-status-details-bin, each as the detail of its type URL.
grpc::Status ToGrpcStatus(const absl::Status& status);

// `status` with a google.rpc.RetryInfo: the same request may do better after `delay`.
absl::Status WithRetry(absl::Status status, absl::Duration delay);

}  // namespace slotmatch
