#include "server/admin/admin_service.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/log.h"
#include "core/base/status.h"
#include "core/base/version.h"
#include "server/admin/admin_convert.h"
#include "server/admin/trace_writer.h"
#include "server/metrics/process_collector.h"
#include "server/rpc/unary_answer.h"
#include "server/trace/chrome_trace.h"

namespace slotmatch {
namespace {

constexpr int64_t kDefaultTraceFrames = 10000;

absl::Status Unloaded(const std::string& name, const std::string& version) {
  return absl::UnavailableError(absl::StrCat("model ", name, " version ", version,
                                             " is no longer served here; connect again"));
}

}  // namespace

grpc::ServerUnaryReactor* AdminService::AnswerLater(const char* method,
                                                    grpc::CallbackServerContext* call,
                                                    std::function<absl::Status()> fill) {
  const ServiceContext& service = *context_->service;
  grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
  const auto scope = std::make_shared<RpcScope>(service.metrics, "unary", method, CallerOf(*call));
  scope->MessageReceived();
  const auto finish = [scope, reactor](const absl::Status& status) {
    if (status.ok()) scope->MessageSent();
    scope->End(status);
    reactor->Finish(ToGrpcStatus(status));
  };
  absl::Status status = Authorize(service.guard, *call, kRoleAdmin).status();
  if (status.ok()) {
    status = context_->jobs->Submit([finish, fill = std::move(fill)] { finish(fill()); });
  }
  if (!status.ok()) finish(status);
  return reactor;
}

grpc::ServerUnaryReactor* AdminService::ListSessions(grpc::CallbackServerContext* call,
                                                     const v1::ListSessionsRequest* request,
                                                     v1::ListSessionsResponse* response) {
  const auto fill = [&] {
    const absl::Time now = absl::Now();
    for (const SessionReport& report : context_->service->sessions->Reports()) {
      *response->add_sessions() = ToWire(report, now);
    }
    return absl::OkStatus();
  };
  return AnswerUnary(*context_->service, "ListSessions", call, fill, kRoleAdmin);
}

grpc::ServerUnaryReactor* AdminService::CloseSession(grpc::CallbackServerContext* call,
                                                     const v1::CloseSessionRequest* request,
                                                     v1::CloseSessionResponse* response) {
  const auto fill = [&]() -> absl::Status {
    const bool closed = context_->service->sessions->Close(
        request->session_id(),
        absl::PermissionDeniedError("the session was closed by an administrator"));
    if (closed) return absl::OkStatus();
    return absl::NotFoundError(
        absl::StrCat("there is no session '", request->session_id().substr(0, 64), "'"));
  };
  return AnswerUnary(*context_->service, "CloseSession", call, fill, kRoleAdmin);
}

grpc::ServerUnaryReactor* AdminService::GetStats(grpc::CallbackServerContext* call,
                                                 const v1::GetStatsRequest* request,
                                                 v1::GetStatsResponse* response) {
  const auto fill = [&] {
    const ServiceContext& service = *context_->service;
    const FrameTotals frames = service.metrics->frame_totals();
    response->set_version(Version());
    response->set_commit(Commit());
    response->set_uptime_ms(absl::ToInt64Milliseconds(absl::Now() - context_->started));
    response->set_draining(service.sessions->draining());
    response->set_sessions(service.sessions->size());
    response->set_session_capacity(service.limits.max_sessions());
    response->set_frames_received(frames.received);
    response->set_frames_processed(frames.processed);
    response->set_frames_failed(frames.failed);
    response->set_frames_dropped(frames.dropped);
    response->set_frames_waiting(service.scheduler->queued_frames());
    response->set_jobs_waiting(service.pool->queued());
    response->set_busy_seconds(service.metrics->busy_seconds());
    response->set_resident_bytes(ResidentBytes());
    response->set_log_level(LogLevel());
    response->set_tracing(service.tracer->recording());
    return absl::OkStatus();
  };
  return AnswerUnary(*context_->service, "GetStats", call, fill, kRoleAdmin);
}

grpc::ServerUnaryReactor* AdminService::SetLogLevel(grpc::CallbackServerContext* call,
                                                    const v1::SetLogLevelRequest* request,
                                                    v1::SetLogLevelResponse* response) {
  const auto fill = [&]() -> absl::Status {
    response->set_previous(LogLevel());
    if (!slotmatch::SetLogLevel(request->level())) {
      return absl::InvalidArgumentError(
          absl::StrCat("level is '", request->level().substr(0, 64),
                       "'; it must be trace, debug, info, warning or error"));
    }
    SM_INFO("log level level={} previous={}", request->level(), response->previous());
    return absl::OkStatus();
  };
  return AnswerUnary(*context_->service, "SetLogLevel", call, fill, kRoleAdmin);
}

grpc::ServerUnaryReactor* AdminService::StartTrace(grpc::CallbackServerContext* call,
                                                   const v1::StartTraceRequest* request,
                                                   v1::StartTraceResponse* response) {
  const auto fill = [&] {
    const int64_t frames = request->max_frames() == 0 ? kDefaultTraceFrames : request->max_frames();
    return context_->service->tracer->Start(frames);
  };
  return AnswerUnary(*context_->service, "StartTrace", call, fill, kRoleAdmin);
}

grpc::ServerWriteReactor<v1::StopTraceResponse>* AdminService::StopTrace(
    grpc::CallbackServerContext* call, const v1::StopTraceRequest* request) {
  const ServiceContext& service = *context_->service;
  auto scope =
      std::make_unique<RpcScope>(service.metrics, "server_stream", "StopTrace", CallerOf(*call));
  scope->MessageReceived();
  auto* const writer = new TraceWriter(std::move(scope));  // deletes itself
  absl::Status status = Authorize(service.guard, *call, kRoleAdmin).status();
  if (status.ok()) {
    status = context_->jobs->Submit([writer, tracer = service.tracer] {
      absl::StatusOr<TraceRecording> recording = tracer->Stop();
      if (!recording.ok()) return writer->Begin(recording.status());
      writer->Begin(ChromeTraceJson(*recording));
    });
  }
  if (!status.ok()) writer->Begin(status);
  return writer;
}

grpc::ServerUnaryReactor* AdminService::Drain(grpc::CallbackServerContext* call,
                                              const v1::DrainRequest* request,
                                              v1::DrainResponse* response) {
  const auto fill = [&]() -> absl::Status {
    // A second stop signal would end the process at once.
    if (stopping_.exchange(true) || context_->service->sessions->draining()) {
      return absl::FailedPreconditionError("the server drains already");
    }
    SM_INFO("drain asked for peer={}", call->peer());
    context_->stop();
    return absl::OkStatus();
  };
  return AnswerUnary(*context_->service, "Drain", call, fill, kRoleAdmin);
}

v1::ModelVersion AdminService::VersionOf(const ModelRef& model) const {
  for (v1::ModelVersion& version :
       ToWire(context_->models->List(), context_->service->sessions->Reports())) {
    const ModelInfo& info = model->info();
    if (version.name() == info.name && version.version() == info.version) return version;
  }
  return {};
}

grpc::ServerUnaryReactor* AdminService::ListModelVersions(
    grpc::CallbackServerContext* call, const v1::ListModelVersionsRequest* request,
    v1::ListModelVersionsResponse* response) {
  const auto fill = [&] {
    for (v1::ModelVersion& version :
         ToWire(context_->models->List(), context_->service->sessions->Reports())) {
      *response->add_models() = std::move(version);
    }
    return absl::OkStatus();
  };
  return AnswerUnary(*context_->service, "ListModelVersions", call, fill, kRoleAdmin);
}

grpc::ServerUnaryReactor* AdminService::LoadModel(grpc::CallbackServerContext* call,
                                                  const v1::LoadModelRequest* request,
                                                  v1::LoadModelResponse* response) {
  return AnswerLater("LoadModel", call, [this, request, response]() -> absl::Status {
    SM_ASSIGN_OR_RETURN(const ModelRef model,
                        context_->models->Load(request->name(), request->version()));
    *response->mutable_model() = VersionOf(model);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* AdminService::UnloadModel(grpc::CallbackServerContext* call,
                                                    const v1::UnloadModelRequest* request,
                                                    v1::UnloadModelResponse* response) {
  return AnswerLater("UnloadModel", call, [this, request, response]() -> absl::Status {
    SM_ASSIGN_OR_RETURN(const std::vector<ModelRef> gone,
                        context_->models->Unload(request->name(), request->version()));
    response->set_versions(gone.size());
    if (!request->end_sessions()) return absl::OkStatus();
    int ended = 0;
    for (const ModelRef& model : gone) {
      const ModelInfo& info = model->info();
      ended += context_->service->sessions->EndModel(info.name, info.version,
                                                     Unloaded(info.name, info.version));
    }
    response->set_sessions_ended(ended);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* AdminService::ReloadModel(grpc::CallbackServerContext* call,
                                                    const v1::ReloadModelRequest* request,
                                                    v1::ReloadModelResponse* response) {
  return AnswerLater("ReloadModel", call, [this, request, response]() -> absl::Status {
    SM_ASSIGN_OR_RETURN(const ModelRef before, context_->models->Find(request->name()));
    SM_ASSIGN_OR_RETURN(const ModelRef model,
                        context_->models->Reload(request->name(), request->version()));
    response->set_changed(model != before);
    *response->mutable_model() = VersionOf(model);
    return absl::OkStatus();
  });
}

}  // namespace slotmatch
