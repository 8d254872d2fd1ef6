#include "server/rpc/slotmatch_service.h"

#include "server/rpc/rpc_scope.h"
#include "server/rpc/segment_stream_reactor.h"
#include "server/rpc/wire_convert.h"

namespace slotmatch {
namespace {

// Answers a unary call at once: `fill` writes the response.
template <typename F>
grpc::ServerUnaryReactor* Answer(ServerMetrics* metrics, const char* method,
                                 grpc::CallbackServerContext* call, F fill) {
  RpcScope scope(metrics, "unary", method, call->peer());
  scope.MessageReceived();
  fill();
  scope.MessageSent();
  scope.End(absl::OkStatus());
  grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

}  // namespace

grpc::ServerBidiReactor<v1::SegmentRequest, v1::SegmentResponse>* SlotMatchService::Segment(
    grpc::CallbackServerContext* call) {
  return SegmentStreamReactor::Start(context_, call);
}

grpc::ServerUnaryReactor* SlotMatchService::ListModels(grpc::CallbackServerContext* call,
                                                       const v1::ListModelsRequest* request,
                                                       v1::ListModelsResponse* response) {
  return Answer(context_->metrics, "ListModels", call, [&] {
    for (const ModelInfo& info : context_->models) *response->add_models() = ToWire(info);
    response->set_default_model(context_->models.front().name);
  });
}

grpc::ServerUnaryReactor* SlotMatchService::GetServerInfo(grpc::CallbackServerContext* call,
                                                          const v1::GetServerInfoRequest* request,
                                                          v1::GetServerInfoResponse* response) {
  return Answer(context_->metrics, "GetServerInfo", call,
                [&] { FillServerInfo(context_->limits, context_->sealer.signs(), response); });
}

}  // namespace slotmatch
