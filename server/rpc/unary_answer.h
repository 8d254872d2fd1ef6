#pragma once

#include <grpcpp/grpcpp.h>

#include "server/rpc/rpc_scope.h"
#include "server/rpc/service_context.h"
#include "server/rpc/status_convert.h"

namespace slotmatch {

// Answers a unary call of somebody with `role` at once: `fill` writes the response and gives the
// call's status.
template <typename F>
grpc::ServerUnaryReactor* AnswerUnary(const ServiceContext& context, const char* method,
                                      grpc::CallbackServerContext* call, F fill,
                                      Role role = kRoleInfer) {
  RpcScope scope(context.metrics, "unary", method, CallerOf(*call));
  scope.MessageReceived();
  absl::Status status = Authorize(context.guard, *call, role).status();
  if (status.ok()) status = fill();
  if (status.ok()) scope.MessageSent();
  scope.End(status);
  grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
  reactor->Finish(ToGrpcStatus(status));
  return reactor;
}

}  // namespace slotmatch
