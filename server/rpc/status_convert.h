#pragma once

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace slotmatch {

// The status a client sees: same code, message capped at 512 bytes (it travels in HTTP/2 trailers).
grpc::Status ToGrpcStatus(const absl::Status& status);

}  // namespace slotmatch
