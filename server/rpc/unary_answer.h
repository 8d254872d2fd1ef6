#pragma once

#include <grpcpp/grpcpp.h>

#include "server/rpc/rpc_scope.h"
#include "server/rpc/service_context.h"
#include "server/rpc/status_convert.h"

namespace slotmatch {

// Answers a unary call of somebody who may infer at once: `fill` writes the response and gives the
// call's status.
template <typename F>
grpc::ServerUnaryReactor* AnswerUnary(const ServiceContext& context, const char* method,
                                      grpc::CallbackServerContext* call, F fill) {
  RpcScope scope(context.metrics, "unary", method, call->peer());
  scope.MessageReceived();
  absl::Status status = Authorize(context.tokens, *call, kRoleInfer).status();
  if (status.ok()) status = fill();
  if (status.ok()) scope.MessageSent();
  scope.End(status);
  grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
  reactor->Finish(ToGrpcStatus(status));
  return reactor;
}

}  // namespace slotmatch
