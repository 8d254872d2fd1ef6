#include "server/rpc/slotmatch_service.h"

#include "server/rpc/segment_stream_reactor.h"
#include "server/rpc/unary_answer.h"
#include "server/rpc/wire_convert.h"

namespace slotmatch {
grpc::ServerBidiReactor<v1::SegmentRequest, v1::SegmentResponse>* SlotMatchService::Segment(
    grpc::CallbackServerContext* call) {
  return SegmentStreamReactor::Start(context_, call);
}

grpc::ServerUnaryReactor* SlotMatchService::ListModels(grpc::CallbackServerContext* call,
                                                       const v1::ListModelsRequest* request,
                                                       v1::ListModelsResponse* response) {
  return AnswerUnary(*context_, "ListModels", call, [&] {
    for (const ModelInfo& info : context_->models) *response->add_models() = ToWire(info);
    response->set_default_model(context_->models.front().name);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* SlotMatchService::GetServerInfo(grpc::CallbackServerContext* call,
                                                          const v1::GetServerInfoRequest* request,
                                                          v1::GetServerInfoResponse* response) {
  return AnswerUnary(*context_, "GetServerInfo", call, [&] {
    FillServerInfo(context_->limits, context_->sealer.signs(), response);
    return absl::OkStatus();
  });
}

}  // namespace slotmatch
