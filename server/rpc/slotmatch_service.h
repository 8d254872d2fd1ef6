#pragma once

#include "server/rpc/service_context.h"
#include "slotmatch/v1/slotmatch.grpc.pb.h"

namespace slotmatch {

// slotmatch.v1.SlotMatchService. The context is borrowed and must outlive the gRPC server.
class SlotMatchService final : public v1::SlotMatchService::CallbackService {
 public:
  explicit SlotMatchService(const ServiceContext* context) : context_(context) {}

  grpc::ServerBidiReactor<v1::SegmentRequest, v1::SegmentResponse>* Segment(
      grpc::CallbackServerContext* call) override;
  grpc::ServerUnaryReactor* SegmentFrame(grpc::CallbackServerContext* call,
                                         const v1::SegmentFrameRequest* request,
                                         v1::SegmentFrameResponse* response) override;
  grpc::ServerUnaryReactor* SegmentClip(grpc::CallbackServerContext* call,
                                        const v1::SegmentClipRequest* request,
                                        v1::SegmentClipResponse* response) override;
  grpc::ServerUnaryReactor* ListModels(grpc::CallbackServerContext* call,
                                       const v1::ListModelsRequest* request,
                                       v1::ListModelsResponse* response) override;
  grpc::ServerUnaryReactor* GetServerInfo(grpc::CallbackServerContext* call,
                                          const v1::GetServerInfoRequest* request,
                                          v1::GetServerInfoResponse* response) override;

 private:
  const ServiceContext* const context_;
};

}  // namespace slotmatch
