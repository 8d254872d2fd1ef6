#pragma once

#include <string>

#include "absl/time/clock.h"
#include "server/metrics/server_metrics.h"

namespace slotmatch {

// Counts, times and logs one RPC, once. It counts as failed (UNKNOWN) unless End() said otherwise.
// Not thread-safe; metrics are borrowed.
class RpcScope {
 public:
  // `type` and `method` are a row of the metrics: "unary", "ListModels".
  RpcScope(ServerMetrics* metrics, const char* type, const char* method, std::string peer);
  ~RpcScope();
  RpcScope(const RpcScope&) = delete;
  RpcScope& operator=(const RpcScope&) = delete;

  void MessageReceived();
  void MessageSent();
  void End(const absl::Status& status) { status_ = status; }

 private:
  ServerMetrics* const metrics_;
  const char* const type_;
  const char* const method_;
  const std::string peer_;
  const absl::Time start_ = absl::Now();
  absl::Status status_ = absl::UnknownError("ended without a status");
};

}  // namespace slotmatch
