#include "client/stream_client.h"

#include <chrono>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/channel.h"
#include "core/base/status.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace slotmatch {
namespace {

std::chrono::system_clock::time_point After(absl::Duration patience) {
  return absl::ToChronoTime(absl::Now() + patience);
}

}  // namespace

absl::Status CheckHealth(const std::shared_ptr<grpc::Channel>& channel, const std::string& service,
                         absl::Duration patience) {
  grpc::ClientContext context;
  context.set_deadline(After(patience));
  grpc::health::v1::HealthCheckRequest request;
  grpc::health::v1::HealthCheckResponse response;
  request.set_service(service);
  const grpc::Status status =
      grpc::health::v1::Health::NewStub(channel)->Check(&context, request, &response);
  if (!status.ok()) return Annotate(FromGrpc(status), "health check of '" + service + "'");
  if (response.status() == grpc::health::v1::HealthCheckResponse::SERVING) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("'", service, "' is ",
                   grpc::health::v1::HealthCheckResponse::ServingStatus_Name(response.status())));
}

absl::StatusOr<v1::ListModelsResponse> ListModels(const std::shared_ptr<grpc::Channel>& channel,
                                                  absl::Duration patience) {
  grpc::ClientContext context;
  context.set_deadline(After(patience));
  v1::ListModelsResponse response;
  const grpc::Status status =
      v1::SlotMatchService::NewStub(channel)->ListModels(&context, {}, &response);
  if (!status.ok()) return FromGrpc(status);
  return response;
}

absl::StatusOr<std::unique_ptr<StreamClient>> StreamClient::Open(
    const std::shared_ptr<grpc::Channel>& channel, const v1::SessionConfig& config) {
  std::unique_ptr<StreamClient> client(new StreamClient());
  client->stub_ = v1::SlotMatchService::NewStub(channel);
  client->stream_ = client->stub_->Segment(&client->context_);
  v1::SegmentRequest request;
  *request.mutable_config() = config;
  client->stream_->Write(request);
  SM_ASSIGN_OR_RETURN(const auto response, client->Receive());
  if (!response.has_value() || !response->has_opened()) {
    return absl::InternalError("the server did not answer with SessionOpened first");
  }
  client->opened_ = response->opened();
  return client;
}

StreamClient::~StreamClient() {
  if (stream_ == nullptr || ended_) return;
  context_.TryCancel();
  stream_->Finish();
}

bool StreamClient::Send(const v1::Frame& frame) {
  v1::SegmentRequest request;
  *request.mutable_frame() = frame;
  return stream_->Write(request);
}

void StreamClient::SendDone() { stream_->WritesDone(); }

absl::Status StreamClient::Ended() {
  ended_ = true;
  return FromGrpc(stream_->Finish());
}

absl::StatusOr<std::optional<v1::SegmentResponse>> StreamClient::Receive() {
  v1::SegmentResponse response;
  if (stream_->Read(&response)) return response;
  SM_RETURN_IF_ERROR(Ended());
  return std::nullopt;
}

}  // namespace slotmatch
