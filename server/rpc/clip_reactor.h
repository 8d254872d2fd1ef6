#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/rpc/admit.h"
#include "server/rpc/rpc_scope.h"
#include "server/rpc/service_context.h"
#include "server/rpc/wire_convert.h"
#include "slotmatch/v1/slotmatch.grpc.pb.h"

namespace slotmatch {

// What a SegmentFrame or SegmentClip call asks for, and where its answers go.
struct ClipCall {
  const char* method;        // for the metrics
  v1::SessionConfig config;  // model, masks, slots, gaps, and the state to begin with
  std::vector<v1::Frame> frames;
  // Takes the answer to a frame, in order, never two at a time. Not OK: the call's status, when
  // every frame is answered.
  std::function<absl::Status(v1::SegmentResponse answer, absl::Status status)> take;
  v1::SessionState* state = nullptr;  // the state after the last frame, when it is wanted
};

// A call of a few frames: a session that lives as long as the call. It takes a session's place, and
// at most max_queued_frames of it are inside the engine. Owned by itself until OnDone.
class ClipReactor : public grpc::ServerUnaryReactor,
                    public LiveSession,
                    public std::enable_shared_from_this<ClipReactor> {
 public:
  // Starts the call. `service` outlives the gRPC server, request and response the call.
  static ClipReactor* Start(const ServiceContext* service, grpc::CallbackServerContext* context,
                            ClipCall call);

  void OnCancel() override;
  void OnDone() override;

  void Tick(absl::Time now) override {}  // the client's deadline ends a call
  void Leave() override {}               // it ends soon by itself
  void DropWaiting() override {}
  void EndWith(EndCause cause, const absl::Status& status) override;
  SessionReport Report() const override;

 private:
  ClipReactor(const ServiceContext* service, grpc::CallbackServerContext* context, ClipCall call);
  absl::Status Open();
  absl::Status CheckFrames(std::optional<uint64_t> last_frame_id) const;
  // Submits frames while there is room; one thread at a time does.
  void Feed();
  SourceFrame NextFrame() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Deliver(FrameOutcome outcome);
  // Submits no more; the first status stays.
  void Stop(const absl::Status& status);
  // Ends the call once nothing of it is inside.
  void FinishIfDone();
  absl::Status SealState();

  const ServiceContext* const service_;
  grpc::CallbackServerContext* const context_;
  RpcScope scope_;
  const absl::Time deadline_;
  std::shared_ptr<ClipReactor> self_;
  Caller caller_;  // without a session_id: not admitted
  FrameTally tally_;

  ClipCall call_;  // fixed once it is open, but for the bytes of frames not yet submitted
  SessionOptions options_;
  ModelInfo model_;
  std::shared_ptr<StreamSession> session_;

  mutable absl::Mutex mutex_;
  bool feeding_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  int inside_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t next_ ABSL_GUARDED_BY(mutex_) = 0;  // frame to submit
  SessionPoint point_ ABSL_GUARDED_BY(mutex_);
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace slotmatch
