#include "server/rpc/kserve_service.h"

#include <utility>

#include "core/base/status.h"
#include "core/base/version.h"
#include "server/rpc/clip_reactor.h"
#include "server/rpc/kserve_convert.h"
#include "server/rpc/kserve_stream_reactor.h"
#include "server/rpc/unary_answer.h"

namespace slotmatch {
namespace {

constexpr const char* kExtensions[] = {"binary_tensor_data", "sequence", "sequence(string_id)",
                                       "model_configuration", "model_repository"};

}  // namespace

grpc::ServerUnaryReactor* KServeService::ServerLive(grpc::CallbackServerContext* call,
                                                    const inference::ServerLiveRequest* request,
                                                    inference::ServerLiveResponse* response) {
  return AnswerUnary(*context_, "ServerLive", call, [&] {
    response->set_live(true);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* KServeService::ServerReady(grpc::CallbackServerContext* call,
                                                     const inference::ServerReadyRequest* request,
                                                     inference::ServerReadyResponse* response) {
  return AnswerUnary(*context_, "ServerReady", call, [&] {
    response->set_ready(!context_->sessions->draining());
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* KServeService::ModelReady(grpc::CallbackServerContext* call,
                                                    const inference::ModelReadyRequest* request,
                                                    inference::ModelReadyResponse* response) {
  return AnswerUnary(*context_, "ModelReady", call, [&] {
    response->set_ready(context_->models->Find(request->name(), request->version()).ok());
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* KServeService::ServerMetadata(
    grpc::CallbackServerContext* call, const inference::ServerMetadataRequest* request,
    inference::ServerMetadataResponse* response) {
  return AnswerUnary(*context_, "ServerMetadata", call, [&] {
    response->set_name("slotmatch");
    response->set_version(Version());
    for (const char* extension : kExtensions) response->add_extensions(extension);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* KServeService::ModelMetadata(
    grpc::CallbackServerContext* call, const inference::ModelMetadataRequest* request,
    inference::ModelMetadataResponse* response) {
  return AnswerUnary(*context_, "ModelMetadata", call, [&]() -> absl::Status {
    SM_ASSIGN_OR_RETURN(const ModelRef model,
                        context_->models->Find(request->name(), request->version()));
    FillModelMetadata(model->info(), response);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* KServeService::ModelConfig(grpc::CallbackServerContext* call,
                                                     const inference::ModelConfigRequest* request,
                                                     inference::ModelConfigResponse* response) {
  return AnswerUnary(*context_, "ModelConfig", call, [&]() -> absl::Status {
    SM_ASSIGN_OR_RETURN(const ModelRef model,
                        context_->models->Find(request->name(), request->version()));
    FillModelConfig(model->info(), context_->limits, response->mutable_config());
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* KServeService::RepositoryIndex(
    grpc::CallbackServerContext* call, const inference::RepositoryIndexRequest* request,
    inference::RepositoryIndexResponse* response) {
  return AnswerUnary(*context_, "RepositoryIndex", call, [&] {
    for (const ModelRef& ready : context_->models->Ready()) {
      auto* model = response->add_models();
      model->set_name(ready->info().name);
      model->set_version(ready->info().version);
      model->set_state("READY");
    }
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* KServeService::ModelInfer(grpc::CallbackServerContext* call,
                                                    const inference::ModelInferRequest* request,
                                                    inference::ModelInferResponse* response) {
  const auto open = [this, request, response]() -> absl::StatusOr<Clip> {
    SM_ASSIGN_OR_RETURN(ModelRef model,
                        context_->models->Find(request->model_name(), request->model_version()));
    inference::ModelInferRequest copy = *request;
    SM_ASSIGN_OR_RETURN(KServeInfer infer, TakeInfer(&copy));
    if (!infer.sequence.empty()) {
      return absl::InvalidArgumentError("sequences need ModelStreamInfer: one stream keeps them");
    }
    Clip clip{model, KServeStreamOptions(context_->limits, context_->scheduler->policy()), {}, {}};
    clip.frames.push_back(std::move(infer.frame));
    clip.take = [request, response, model, wanted = infer.outputs](const FrameOutcome& outcome) {
      if (!outcome.result.ok()) return outcome.result.status();
      FillInferResponse(*outcome.result, model->info(), wanted, request->id(), response);
      return absl::OkStatus();
    };
    return clip;
  };
  return ClipReactor::Start(context_, call, {"ModelInfer", open, response});
}

grpc::ServerBidiReactor<inference::ModelInferRequest, inference::ModelStreamInferResponse>*
KServeService::ModelStreamInfer(grpc::CallbackServerContext* call) {
  return KServeStreamReactor::Start(context_, call);
}

}  // namespace slotmatch
