#include "server/rpc/slotmatch_service.h"

#include <utility>

#include "server/rpc/clip_reactor.h"
#include "server/rpc/segment_stream_reactor.h"
#include "server/rpc/unary_answer.h"
#include "server/rpc/wire_convert.h"

namespace slotmatch {
namespace {

// What both requests without a stream have in common.
template <typename Request>
v1::SessionConfig ConfigOf(const Request& request) {
  v1::SessionConfig config;
  config.set_model(request.model());
  *config.mutable_mask() = request.mask();
  *config.mutable_slots() = request.slots();
  config.set_scheduling_class(request.scheduling_class());
  if (request.has_state()) *config.mutable_resume() = request.state();
  return config;
}

}  // namespace

grpc::ServerBidiReactor<v1::SegmentRequest, v1::SegmentResponse>* SlotMatchService::Segment(
    grpc::CallbackServerContext* call) {
  return SegmentStreamReactor::Start(context_, call);
}

grpc::ServerUnaryReactor* SlotMatchService::SegmentFrame(grpc::CallbackServerContext* call,
                                                         const v1::SegmentFrameRequest* request,
                                                         v1::SegmentFrameResponse* response) {
  ClipCall clip{"SegmentFrame", ConfigOf(*request), {request->frame()}, {}};
  clip.take = [response](v1::SegmentResponse answer, absl::Status status) {
    if (status.ok()) response->mutable_result()->Swap(answer.mutable_result());
    return status;
  };
  if (request->want_state()) clip.state = response->mutable_state();
  return ClipReactor::Start(context_, call, std::move(clip));
}

grpc::ServerUnaryReactor* SlotMatchService::SegmentClip(grpc::CallbackServerContext* call,
                                                        const v1::SegmentClipRequest* request,
                                                        v1::SegmentClipResponse* response) {
  ClipCall clip{
      "SegmentClip", ConfigOf(*request), {request->frames().begin(), request->frames().end()}, {}};
  clip.config.set_gap_policy(request->gap_policy());
  clip.take = [response](v1::SegmentResponse answer, absl::Status status) {
    v1::FrameAnswer* to = response->add_answers();
    if (status.ok()) to->mutable_result()->Swap(answer.mutable_result());
    if (!status.ok()) to->mutable_error()->Swap(answer.mutable_error());
    return absl::OkStatus();
  };
  if (request->want_state()) clip.state = response->mutable_state();
  return ClipReactor::Start(context_, call, std::move(clip));
}

grpc::ServerUnaryReactor* SlotMatchService::ListModels(grpc::CallbackServerContext* call,
                                                       const v1::ListModelsRequest* request,
                                                       v1::ListModelsResponse* response) {
  return AnswerUnary(*context_, "ListModels", call, [&] {
    const std::vector<ModelRef> models = context_->models->Ready();
    for (const ModelRef& model : models) *response->add_models() = ToWire(model->info());
    response->set_default_model(models.front()->info().name);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* SlotMatchService::GetServerInfo(grpc::CallbackServerContext* call,
                                                          const v1::GetServerInfoRequest* request,
                                                          v1::GetServerInfoResponse* response) {
  return AnswerUnary(*context_, "GetServerInfo", call, [&] {
    FillServerInfo(context_->limits, context_->scheduler->policy(), context_->sealer.signs(),
                   response);
    return absl::OkStatus();
  });
}

}  // namespace slotmatch
