#pragma once

#include <grpcpp/grpcpp.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/rpc/rpc_scope.h"
#include "server/rpc/service_context.h"
#include "server/rpc/wire_convert.h"
#include "slotmatch/v1/slotmatch.grpc.pb.h"

namespace slotmatch {

// One Segment stream: reads requests, feeds the session, writes its outcomes in order.
//
// At most one read and one write are in flight; reading pauses while max_queued_frames frames are
// inside, so a client that sends faster than it is served is held back by HTTP/2 flow control. All
// state is under one mutex. Every event changes it and calls Pump(), whose single drainer starts
// gRPC operations outside the lock. Owned by itself until OnDone.
class SegmentStreamReactor
    : public grpc::ServerBidiReactor<v1::SegmentRequest, v1::SegmentResponse>,
      public LiveSession,
      public std::enable_shared_from_this<SegmentStreamReactor> {
 public:
  // Starts the stream. `service` outlives the gRPC server.
  static SegmentStreamReactor* Start(const ServiceContext* service,
                                     grpc::CallbackServerContext* context);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  void EndIfIdle(absl::Time before) override;
  void EndWith(const absl::Status& status) override;

 private:
  enum class Action { kNone, kTryCancel, kWrite, kRead, kFinish };

  SegmentStreamReactor(const ServiceContext* service, grpc::CallbackServerContext* context);
  Action NextAction() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Pump() ABSL_LOCKS_EXCLUDED(mutex_);
  void Perform(Action action) ABSL_LOCKS_EXCLUDED(mutex_);

  absl::Status HandleRequest();
  absl::Status Open(const v1::SessionConfig& config);
  absl::Status HandleFrame(v1::Frame* frame);
  void Deliver(FrameOutcome outcome);
  void Count(const FrameOutcome& outcome);
  // Stops reading; the first reason stays.
  void End(const absl::Status& status, const char* reason) ABSL_LOCKS_EXCLUDED(mutex_);
  // The client cancelled or went away; that replaces a good end.
  void EndCancelled() ABSL_LOCKS_EXCLUDED(mutex_);

  const ServiceContext* const service_;
  grpc::CallbackServerContext* const context_;
  RpcScope scope_;
  const absl::Time deadline_;
  std::shared_ptr<SegmentStreamReactor> self_;

  // Written by reading reactions only, which gRPC never runs two at a time; all but session_ are
  // fixed before the first frame reaches another thread.
  v1::SegmentRequest request_;
  std::shared_ptr<StreamSession> session_;  // written under mutex_: OnCancel reads it there
  std::string session_id_;                  // set before the first reaction; empty: not admitted
  v1::SlotEncoding slot_encoding_ = v1::SLOT_ENCODING_F32;
  std::optional<uint64_t> last_frame_id_;
  absl::Time opened_at_;

  absl::Mutex mutex_;
  bool pumping_ ABSL_GUARDED_BY(mutex_) = false;
  bool read_in_flight_ ABSL_GUARDED_BY(mutex_) = false;
  bool write_in_flight_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool try_cancel_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  int frames_inside_ ABSL_GUARDED_BY(mutex_) = 0;  // submitted and not yet written
  struct Outgoing {
    v1::SegmentResponse response;
    absl::Time ready;
  };
  std::deque<Outgoing> outbox_ ABSL_GUARDED_BY(mutex_);  // front: being written, if in flight
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
  const char* end_reason_ ABSL_GUARDED_BY(mutex_) = "client_done";
  absl::Time moved_at_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace slotmatch
