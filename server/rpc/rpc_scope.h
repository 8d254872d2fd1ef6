#pragma once

#include <grpcpp/grpcpp.h>

#include <string>

#include "absl/time/clock.h"
#include "server/metrics/server_metrics.h"
#include "server/trace/trace_context.h"

namespace slotmatch {

// Who makes a call, and the trace it belongs to.
struct RpcCaller {
  std::string peer;
  TraceContext trace;
};
RpcCaller CallerOf(const grpc::CallbackServerContext& call);

// Counts, times and logs one RPC, once. It counts as failed (UNKNOWN) unless End() said otherwise.
// Not thread-safe, but for what never changes; metrics are borrowed.
class RpcScope {
 public:
  // `type` and `method` are a row of the metrics: "unary", "ListModels".
  RpcScope(ServerMetrics* metrics, const char* type, const char* method, RpcCaller caller);
  ~RpcScope();
  RpcScope(const RpcScope&) = delete;
  RpcScope& operator=(const RpcScope&) = delete;

  void MessageReceived();
  void MessageSent();
  void End(const absl::Status& status) { status_ = status; }

  const char* method() const { return method_; }
  const RpcCaller& caller() const { return caller_; }
  absl::Time start() const { return start_; }
  // TraceContext::LogFields() of the call.
  const std::string& log_fields() const { return log_fields_; }

 private:
  ServerMetrics* const metrics_;
  const char* const type_;
  const char* const method_;
  const RpcCaller caller_;
  const std::string log_fields_ = caller_.trace.LogFields();
  const absl::Time start_ = absl::Now();
  absl::Status status_ = absl::UnknownError("ended without a status");
};

}  // namespace slotmatch
