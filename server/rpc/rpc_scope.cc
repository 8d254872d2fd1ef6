#include "server/rpc/rpc_scope.h"

#include <utility>

#include "core/base/log.h"

namespace slotmatch {

RpcScope::RpcScope(ServerMetrics* metrics, const char* type, const char* method, std::string peer)
    : metrics_(metrics), type_(type), method_(method), peer_(std::move(peer)) {
  metrics_->RpcStarted(type_, method_);
}

RpcScope::~RpcScope() {
  const absl::Duration duration = absl::Now() - start_;
  metrics_->RpcHandled(type_, method_, static_cast<int>(status_.code()), duration);
  const std::string message(status_.message());
  const double milliseconds = absl::ToDoubleMilliseconds(duration);
  const std::string code = absl::StatusCodeToString(status_.code());
  if (status_.code() == absl::StatusCode::kInternal ||
      status_.code() == absl::StatusCode::kUnknown) {
    SM_ERROR("rpc method={} peer={} code={} duration_ms={:.1f} message=\"{}\"", method_, peer_,
             code, milliseconds, message);
  } else {
    SM_INFO("rpc method={} peer={} code={} duration_ms={:.1f} message=\"{}\"", method_, peer_, code,
            milliseconds, message);
  }
}

void RpcScope::MessageReceived() { metrics_->RpcMessage(type_, method_, /*received=*/true); }
void RpcScope::MessageSent() { metrics_->RpcMessage(type_, method_, /*received=*/false); }

}  // namespace slotmatch
