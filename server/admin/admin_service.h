#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "absl/time/clock.h"
#include "server/rpc/service_context.h"
#include "slotmatch/v1/admin.grpc.pb.h"

namespace slotmatch {

// What the admin calls work with, besides the service's context. Borrowed from the app.
struct AdminContext {
  const ServiceContext* service;
  ModelStore* models;
  WorkerPool* jobs;            // one thread: loads and unloads happen one after the other
  std::function<void()> stop;  // begins the end of the process; returns at once
  absl::Time started = absl::Now();
};

// slotmatch.v1.AdminService. Every call needs role admin when tokens are configured. The context is
// borrowed and must outlive the gRPC server; its jobs are stopped after the gRPC server.
class AdminService final : public v1::AdminService::CallbackService {
 public:
  explicit AdminService(const AdminContext* context) : context_(context) {}

  grpc::ServerUnaryReactor* ListSessions(grpc::CallbackServerContext* call,
                                         const v1::ListSessionsRequest* request,
                                         v1::ListSessionsResponse* response) override;
  grpc::ServerUnaryReactor* CloseSession(grpc::CallbackServerContext* call,
                                         const v1::CloseSessionRequest* request,
                                         v1::CloseSessionResponse* response) override;
  grpc::ServerUnaryReactor* GetStats(grpc::CallbackServerContext* call,
                                     const v1::GetStatsRequest* request,
                                     v1::GetStatsResponse* response) override;
  grpc::ServerUnaryReactor* SetLogLevel(grpc::CallbackServerContext* call,
                                        const v1::SetLogLevelRequest* request,
                                        v1::SetLogLevelResponse* response) override;
  grpc::ServerUnaryReactor* StartTrace(grpc::CallbackServerContext* call,
                                       const v1::StartTraceRequest* request,
                                       v1::StartTraceResponse* response) override;
  grpc::ServerWriteReactor<v1::StopTraceResponse>* StopTrace(
      grpc::CallbackServerContext* call, const v1::StopTraceRequest* request) override;
  grpc::ServerUnaryReactor* Drain(grpc::CallbackServerContext* call,
                                  const v1::DrainRequest* request,
                                  v1::DrainResponse* response) override;
  grpc::ServerUnaryReactor* ListModelVersions(grpc::CallbackServerContext* call,
                                              const v1::ListModelVersionsRequest* request,
                                              v1::ListModelVersionsResponse* response) override;
  grpc::ServerUnaryReactor* LoadModel(grpc::CallbackServerContext* call,
                                      const v1::LoadModelRequest* request,
                                      v1::LoadModelResponse* response) override;
  grpc::ServerUnaryReactor* UnloadModel(grpc::CallbackServerContext* call,
                                        const v1::UnloadModelRequest* request,
                                        v1::UnloadModelResponse* response) override;
  grpc::ServerUnaryReactor* ReloadModel(grpc::CallbackServerContext* call,
                                        const v1::ReloadModelRequest* request,
                                        v1::ReloadModelResponse* response) override;

 private:
  // Answers a call whose `fill` takes long, from the jobs' thread.
  grpc::ServerUnaryReactor* AnswerLater(const char* method, grpc::CallbackServerContext* call,
                                        std::function<absl::Status()> fill);
  v1::ModelVersion VersionOf(const ModelRef& model) const;

  const AdminContext* const context_;
  std::atomic<bool> stopping_{false};
};

}  // namespace slotmatch
