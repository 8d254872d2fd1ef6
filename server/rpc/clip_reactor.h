#pragma once

#include <google/protobuf/message.h>
#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "core/engine/stream_session.h"
#include "server/rpc/frame_call.h"
#include "server/rpc/service_context.h"
#include "slotmatch/v1/slotmatch.pb.h"

namespace slotmatch {

// What a unary call wants computed.
struct Clip {
  ModelRef model;
  StreamOptions options;            // with the state to begin with
  std::vector<SourceFrame> frames;  // ids strictly increase
  // Writes what became of a frame into the response, in order, never two at a time. Not OK: the
  // call's status, once every frame inside is answered.
  std::function<absl::Status(FrameOutcome)> take;
};

// A unary call of any service that has frames computed. What it points to outlives the call.
struct ClipCall {
  const char* method;  // for the metrics
  // Reads the request of a caller that may infer; its status is the call's.
  std::function<absl::StatusOr<Clip>()> open;
  const google::protobuf::Message* response;
  v1::SessionState* state = nullptr;  // takes the state after the last frame, when it is wanted
};

// A call of a few frames: a session that lives as long as the call. It takes a session's place, and
// at most max_queued_frames of it are inside the engine. Owned by itself until OnDone.
class ClipReactor : public grpc::ServerUnaryReactor,
                    public LiveSession,
                    public std::enable_shared_from_this<ClipReactor> {
 public:
  // Starts the call. `service` outlives the gRPC server.
  static ClipReactor* Start(const ServiceContext* service, grpc::CallbackServerContext* context,
                            const ClipCall& call);

  void OnCancel() override;
  void OnDone() override;

  void Tick(absl::Time now) override {}  // the client's deadline ends a call
  void Leave() override {}               // it ends soon by itself
  void DropWaiting() override {}
  void EndWith(EndCause cause, const absl::Status& status) override;
  SessionReport Report() const override;

 private:
  ClipReactor(const ServiceContext* service, grpc::CallbackServerContext* context,
              const ClipCall& call);
  absl::Status Open(const ClipCall& call);
  // Submits frames while there is room; one thread at a time does.
  void Feed();
  void Deliver(FrameOutcome outcome);
  // Submits no more; the first status stays.
  void Stop(const absl::Status& status);
  // Ends the call once nothing of it is inside.
  void FinishIfDone();
  absl::Status SealState();

  const ServiceContext* const service_;
  FrameCall call_;
  const google::protobuf::Message* const response_;
  v1::SessionState* const state_;
  std::shared_ptr<ClipReactor> self_;

  Clip clip_;  // fixed once it is open, but for the frames that were submitted

  mutable absl::Mutex mutex_;
  std::shared_ptr<StreamSession> session_ ABSL_GUARDED_BY(mutex_);  // null: not open
  bool feeding_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  bool answered_ ABSL_GUARDED_BY(mutex_) = false;  // finished well
  int inside_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t next_ ABSL_GUARDED_BY(mutex_) = 0;  // frame to submit
  SessionPoint point_ ABSL_GUARDED_BY(mutex_);
  std::vector<FrameTrace> traces_ ABSL_GUARDED_BY(mutex_);  // recorded once the answer has left
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace slotmatch
