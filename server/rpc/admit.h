#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/engine/stream_types.h"
#include "server/rpc/frame_metrics.h"
#include "server/rpc/rpc_scope.h"
#include "server/rpc/service_context.h"
#include "server/rpc/session_report.h"

namespace slotmatch {

// Who calls, and the place of the call's session, which is in SessionRegistry.
struct Caller {
  std::string session_id;
  std::string tenant;  // the token's name; without tokens what scheduling.tenant_header says
};

// A place for the session of a call that may infer. Statuses of Authorize() and
// SessionRegistry::Admit(); a call without a place is counted.
absl::StatusOr<Caller> AdmitCall(const ServiceContext& service,
                                 const grpc::CallbackServerContext& call,
                                 const std::shared_ptr<LiveSession>& session);

// Lets the caller's session use `model` until its place is given back, or
// RESOURCE_EXHAUSTED with the time after which to try again, which is counted. Completes what the
// session's frames are scheduled by.
absl::Status AdmitSession(const ServiceContext& service, const Caller& caller,
                          const ModelInfo& model, StreamOptions* options);

// What every session's report has in common.
SessionReport ReportOf(const RpcScope& scope, const Caller& caller, const FrameTally& tally);

}  // namespace slotmatch
