#pragma once

#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/rpc/frame_call.h"
#include "server/rpc/frame_rate.h"
#include "server/rpc/pump.h"
#include "server/rpc/service_context.h"
#include "server/rpc/session_clock.h"
#include "server/rpc/wire_convert.h"
#include "slotmatch/v1/slotmatch.grpc.pb.h"

namespace slotmatch {

// One Segment stream: reads requests, feeds the session, writes its outcomes in order, and says
// what else there is to say: states, notices, that the session should move.
//
// At most one read and one write are in flight. Reading pauses while a blocking session has
// max_queued_frames inside, so that HTTP/2 flow control holds its sender back; a session that drops
// frames is always read, unless its client does not read either. All state is under one mutex.
// Every event changes it and calls Advance(). Owned by itself until OnDone.
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

  void Tick(absl::Time now) override;
  void Leave() override;
  void DropWaiting() override;
  void EndWith(EndCause cause, const absl::Status& status) override;
  SessionReport Report() const override;

 private:
  enum class Action { kNone, kTryCancel, kWrite, kRead, kWaitForRate, kFinish };

  // A message on its way out.
  struct Outgoing {
    v1::SegmentResponse response;
    absl::Time ready;
    bool answer = false;                // to a frame
    std::optional<SessionPoint> point;  // sealed into the response when its turn comes
    std::optional<FrameTrace> trace;    // recorded once it is written
  };
  // How the stream ends. The first one stays.
  struct Ending {
    absl::Status status;
    const char* reason;  // of SessionEndReasons()
    v1::GoAway::Reason go_away = v1::GoAway::REASON_UNSPECIFIED;
  };

  SegmentStreamReactor(const ServiceContext* service, grpc::CallbackServerContext* context);
  Action NextAction() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool MayRead() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // When a session that drops nothing may read its next frame.
  absl::Time ReadAt() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Advances again at that time.
  void WaitForRate() ABSL_LOCKS_EXCLUDED(mutex_);
  void RateCame() ABSL_LOCKS_EXCLUDED(mutex_);
  // Starts the operations that are due.
  void Advance() ABSL_LOCKS_EXCLUDED(mutex_);
  void Perform(Action action) ABSL_LOCKS_EXCLUDED(mutex_);
  void StartFrontWrite() ABSL_LOCKS_EXCLUDED(mutex_);
  // Counts the end and sends the status.
  void Close() ABSL_LOCKS_EXCLUDED(mutex_);
  // Stops reading.
  void End(Ending ending) ABSL_LOCKS_EXCLUDED(mutex_);
  void EndLocked(Ending ending) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The client cancelled or went away; that replaces a good end.
  void EndCancelled() ABSL_LOCKS_EXCLUDED(mutex_);

  // segment_stream_session.cc: what the messages mean.
  absl::Status HandleRequest();
  absl::Status Open(const v1::SessionConfig& config);
  v1::SegmentResponse Opened(bool resumed) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status HandleFrame(v1::Frame* frame);
  absl::Status HandleControl(const v1::Control& control);
  void Deliver(FrameOutcome outcome);
  void Push(v1::SegmentResponse response) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // A message that carries the session's state after the answers pushed before it.
  void PushWithState(v1::SegmentResponse response) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Says what the server does about its load, if that has changed since it was last said.
  void PushLoad() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The last message before the status, if there is something to say.
  void PushFarewell() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const ServiceContext* const service_;
  grpc::CallbackServerContext* const context_;
  FrameCall call_;
  Pump pump_;
  std::shared_ptr<SegmentStreamReactor> self_;

  // Written by reading reactions only, which gRPC never runs two at a time; all but session_ are
  // fixed before the first frame reaches another thread.
  v1::SegmentRequest request_;
  std::shared_ptr<StreamSession> session_;  // written under mutex_: OnCancel reads it there
  ModelInfo model_;                         // written under mutex_, as session_
  SessionOptions options_;
  std::optional<uint64_t> last_frame_id_;
  absl::Time opened_at_;

  mutable absl::Mutex mutex_;
  bool read_in_flight_ ABSL_GUARDED_BY(mutex_) = false;
  bool write_in_flight_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool try_cancel_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  bool leaving_ ABSL_GUARDED_BY(mutex_) = false;  // the session was told to move
  bool farewell_said_ ABSL_GUARDED_BY(mutex_) = false;
  int frames_inside_ ABSL_GUARDED_BY(mutex_) = 0;  // submitted and not yet written
  int credits_ ABSL_GUARDED_BY(mutex_);            // the client's, if it reads at once
  uint32_t answers_since_state_ ABSL_GUARDED_BY(mutex_) = 0;
  Load load_ ABSL_GUARDED_BY(mutex_);                    // the client knows of
  SessionPoint point_ ABSL_GUARDED_BY(mutex_);           // after the answers pushed so far
  std::deque<Outgoing> outbox_ ABSL_GUARDED_BY(mutex_);  // front: being written, if in flight
  std::optional<Ending> end_ ABSL_GUARDED_BY(mutex_);
  SessionClock clock_ ABSL_GUARDED_BY(mutex_);
  absl::Time write_began_ ABSL_GUARDED_BY(mutex_);
  FrameRate rate_ ABSL_GUARDED_BY(mutex_);
  int64_t frames_ ABSL_GUARDED_BY(mutex_) = 0;  // taken in
  bool waiting_for_rate_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::Alarm alarm_;  // set by the drainer only
};

}  // namespace slotmatch
