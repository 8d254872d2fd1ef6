#include "server/rpc/slotmatch_service.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "server/rpc/clip_reactor.h"
#include "server/rpc/model_convert.h"
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

absl::Status CheckFrames(const std::vector<SourceFrame>& frames,
                         std::optional<uint64_t> last_frame_id, int most) {
  if (frames.empty() || frames.size() > static_cast<size_t>(most)) {
    return absl::InvalidArgumentError(absl::StrCat("a clip of ", frames.size(),
                                                   " frames; this server takes 1 to ", most,
                                                   ", a Segment stream any number"));
  }
  for (const SourceFrame& frame : frames) {
    if (last_frame_id.has_value() && frame.id <= *last_frame_id) {
      return absl::OutOfRangeError(absl::StrCat("frame_id ", frame.id, " after ", *last_frame_id,
                                                "; ids must strictly increase"));
    }
    last_frame_id = frame.id;
  }
  return absl::OkStatus();
}

// Takes the answer to a frame and, when that is an error, its status.
using TakeAnswer = std::function<absl::Status(v1::SegmentResponse answer, absl::Status status)>;

absl::StatusOr<Clip> OpenClip(const ServiceContext& service, const v1::SessionConfig& config,
                              std::vector<SourceFrame> frames, const TakeAnswer& take) {
  SM_ASSIGN_OR_RETURN(SessionOptions options,
                      FromWire(config, service.limits, service.scheduler->policy()));
  SM_ASSIGN_OR_RETURN(ServiceContext::Beginning begin, service.Begin(config));
  SM_RETURN_IF_ERROR(
      CheckFrames(frames, begin.point.last_frame_id, service.limits.max_clip_frames()));
  if (!options.slot_ids) options.stream.tracker = begin.model->tracker;
  options.stream.resume = std::move(begin.point);
  Clip clip{std::move(begin.model), std::move(options.stream), std::move(frames), {}};
  clip.take = [take, encoding = options.slot_encoding](FrameOutcome outcome) {
    absl::Status status = outcome.result.status();
    return take(ToWire(std::move(outcome), encoding), std::move(status));
  };
  return clip;
}

// Requests belong to gRPC and are read only: one copy of the picture.
SourceFrame CopyFrame(v1::Frame frame) { return TakeFrame(&frame); }

}  // namespace

grpc::ServerBidiReactor<v1::SegmentRequest, v1::SegmentResponse>* SlotMatchService::Segment(
    grpc::CallbackServerContext* call) {
  return SegmentStreamReactor::Start(context_, call);
}

grpc::ServerUnaryReactor* SlotMatchService::SegmentFrame(grpc::CallbackServerContext* call,
                                                         const v1::SegmentFrameRequest* request,
                                                         v1::SegmentFrameResponse* response) {
  const auto take = [response](v1::SegmentResponse answer, absl::Status status) {
    if (status.ok()) response->mutable_result()->Swap(answer.mutable_result());
    return status;
  };
  const auto open = [this, request, take]() {
    return OpenClip(*context_, ConfigOf(*request), {CopyFrame(request->frame())}, take);
  };
  return ClipReactor::Start(context_, call,
                            {"SegmentFrame", open, response,
                             request->want_state() ? response->mutable_state() : nullptr});
}

grpc::ServerUnaryReactor* SlotMatchService::SegmentClip(grpc::CallbackServerContext* call,
                                                        const v1::SegmentClipRequest* request,
                                                        v1::SegmentClipResponse* response) {
  const auto take = [response](v1::SegmentResponse answer, const absl::Status& status) {
    v1::FrameAnswer* to = response->add_answers();
    if (status.ok()) to->mutable_result()->Swap(answer.mutable_result());
    if (!status.ok()) to->mutable_error()->Swap(answer.mutable_error());
    return absl::OkStatus();
  };
  const auto open = [this, request, take]() {
    v1::SessionConfig config = ConfigOf(*request);
    config.set_gap_policy(request->gap_policy());
    std::vector<SourceFrame> frames;
    for (const v1::Frame& frame : request->frames()) frames.push_back(CopyFrame(frame));
    return OpenClip(*context_, config, std::move(frames), take);
  };
  return ClipReactor::Start(
      context_, call,
      {"SegmentClip", open, response, request->want_state() ? response->mutable_state() : nullptr});
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
