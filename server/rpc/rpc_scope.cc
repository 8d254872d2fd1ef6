#include "server/rpc/rpc_scope.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/log.h"

namespace slotmatch {

RpcCaller CallerOf(const grpc::CallbackServerContext& call) {
  RpcCaller caller{call.peer(), {}};
  const auto& metadata = call.client_metadata();
  const auto it = metadata.find("traceparent");
  // More than one makes all of them invalid.
  if (it != metadata.end() && metadata.count("traceparent") == 1) {
    caller.trace = ParseTraceParent({it->second.data(), it->second.size()});
  }
  return caller;
}

RpcScope::RpcScope(ServerMetrics* metrics, const char* type, const char* method, RpcCaller caller)
    : metrics_(metrics), type_(type), method_(method), caller_(std::move(caller)) {
  metrics_->RpcStarted(type_, method_);
}

RpcScope::~RpcScope() {
  const absl::Duration duration = absl::Now() - start_;
  metrics_->RpcHandled(type_, method_, static_cast<int>(status_.code()), duration);
  const std::string error = status_.ok() ? "" : absl::StrCat(" error=", Quoted(status_.message()));
  const bool fault =
      status_.code() == absl::StatusCode::kInternal || status_.code() == absl::StatusCode::kUnknown;
  spdlog::default_logger_raw()->log(fault ? spdlog::level::err : spdlog::level::info,
                                    "rpc method={} peer={} code={} duration_ms={:.1f}{}{}", method_,
                                    caller_.peer, absl::StatusCodeToString(status_.code()),
                                    absl::ToDoubleMilliseconds(duration), error, log_fields_);
}

void RpcScope::MessageReceived() { metrics_->RpcMessage(type_, method_, /*received=*/true); }
void RpcScope::MessageSent() { metrics_->RpcMessage(type_, method_, /*received=*/false); }

}  // namespace slotmatch
