#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "slotmatch/v1/slotmatch.grpc.pb.h"

namespace slotmatch {

// What grpc.health.v1.Health says about `service`; UNAVAILABLE unless it is SERVING.
absl::Status CheckHealth(const std::shared_ptr<grpc::Channel>& channel, const std::string& service,
                         absl::Duration patience);

absl::StatusOr<v1::ListModelsResponse> ListModels(const std::shared_ptr<grpc::Channel>& channel,
                                                  absl::Duration patience);

// One Segment stream. One thread may send while another receives; neither call is safe from two
// threads at once.
class StreamClient {
 public:
  // Opens the session and waits for the server's answer; NOT_FOUND for an unknown model,
  // RESOURCE_EXHAUSTED when the server is full.
  static absl::StatusOr<std::unique_ptr<StreamClient>> Open(
      const std::shared_ptr<grpc::Channel>& channel, const v1::SessionConfig& config);
  ~StreamClient();  // cancels a stream that has not ended

  const v1::SessionOpened& opened() const { return opened_; }

  // Waits while the server holds the stream back. False when the stream has ended: Receive() knows
  // why.
  bool Send(const v1::Frame& frame);
  void SendDone();
  // Ends the stream now: calls that wait return. From any thread.
  void Cancel() { context_.TryCancel(); }

  // The next result or frame error, in the order sent; nullopt after the last one of a stream that
  // ended well; else the status the server ended it with.
  absl::StatusOr<std::optional<v1::SegmentResponse>> Receive();

 private:
  StreamClient() = default;
  absl::Status Ended();

  std::unique_ptr<v1::SlotMatchService::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::SegmentRequest, v1::SegmentResponse>> stream_;
  v1::SessionOpened opened_;
  bool ended_ = false;
};

}  // namespace slotmatch
