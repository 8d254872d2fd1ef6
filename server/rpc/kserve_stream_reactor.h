#pragma once

#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "core/engine/stream_session.h"
#include "inference/grpc_service.grpc.pb.h"
#include "server/rpc/frame_call.h"
#include "server/rpc/frame_rate.h"
#include "server/rpc/kserve_convert.h"
#include "server/rpc/pump.h"
#include "server/rpc/service_context.h"
#include "server/rpc/session_clock.h"

namespace slotmatch {

// One ModelStreamInfer call. A request with a sequence_id belongs to a session of this call, from
// sequence_start to sequence_end; one without is a frame without a past. At most max_queued_frames
// requests are inside, and they are read at max_frames_per_s: those of a sequence are computed one
// after the other, others beside them.
// Answers leave in the order of the requests. What is wrong with a request is its answer's
// error_message; the call goes on.
//
// At most one read and one write are in flight. All state is under one mutex; every event changes
// it and calls Advance(). Owned by itself until OnDone.
class KServeStreamReactor : public grpc::ServerBidiReactor<inference::ModelInferRequest,
                                                           inference::ModelStreamInferResponse>,
                            public LiveSession,
                            public std::enable_shared_from_this<KServeStreamReactor> {
 public:
  static KServeStreamReactor* Start(const ServiceContext* service,
                                    grpc::CallbackServerContext* context);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  void Tick(absl::Time now) override;
  void Leave() override {}  // the protocol has no word for it
  void DropWaiting() override;
  void EndWith(EndCause cause, const absl::Status& status) override;
  SessionReport Report() const override;

 private:
  enum class Action { kNone, kTryCancel, kWrite, kRead, kWaitForRate, kFinish };
  // Model name, version and sequence_id as the requests have them: a sequence stays with the model
  // it began with.
  using SequenceKey = std::tuple<std::string, std::string, std::string>;
  using SessionPtr = std::shared_ptr<StreamSession>;
  struct Sequence {
    ModelRef model;
    SessionPtr session;
  };
  // A request whose answer is not written yet.
  struct Exchange {
    uint64_t frame_id = 0;
    std::string model_name, id;  // of the request
    KServeOutputs wanted;
    Sequence sequence;  // without a session: the answer is ready
    absl::Time ready;
    std::optional<FrameTrace> trace;  // recorded once it is written
    inference::ModelStreamInferResponse response;
  };

  KServeStreamReactor(const ServiceContext* service, grpc::CallbackServerContext* context);
  static SessionReport::Model NameOf(const ModelRef& model);
  Action NextAction() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Starts the operations that are due.
  void Advance() ABSL_LOCKS_EXCLUDED(mutex_);
  void Perform(Action action) ABSL_LOCKS_EXCLUDED(mutex_);
  // Advances again when the next frame may come.
  void WaitForRate() ABSL_LOCKS_EXCLUDED(mutex_);
  void RateCame() ABSL_LOCKS_EXCLUDED(mutex_);
  void HandleRequest() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<Sequence> SequenceOf(const KServeInfer& infer) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<Sequence> NewSequence(bool tracked);
  void Answer(FrameOutcome outcome) ABSL_LOCKS_EXCLUDED(mutex_);
  static void AnswerError(const absl::Status& status, Exchange* exchange);
  // The sessions that have a frame inside.
  std::vector<SessionPtr> Busy() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The first one stays, but a cancel replaces a good end.
  void End(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);
  void EndCancelled() ABSL_LOCKS_EXCLUDED(mutex_);

  const ServiceContext* const service_;
  grpc::CallbackServerContext* const context_;
  FrameCall call_;
  Pump pump_;
  std::shared_ptr<KServeStreamReactor> self_;

  // Of reading reactions, which gRPC never runs two at a time.
  inference::ModelInferRequest request_;
  bool admitted_ = false;  // for all its sequences
  uint64_t next_frame_ = 0;

  mutable absl::Mutex mutex_;
  bool read_in_flight_ ABSL_GUARDED_BY(mutex_) = false;
  bool write_in_flight_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool try_cancel_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<SequenceKey, Sequence> sequences_ ABSL_GUARDED_BY(mutex_);  // that are open
  SessionReport::Model last_model_ ABSL_GUARDED_BY(mutex_);            // of a request
  // By frame_id, without gaps; front: being written, if in flight. An exchange that is not ready is
  // Answer()'s.
  std::deque<Exchange> exchanges_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
  SessionClock clock_ ABSL_GUARDED_BY(mutex_);
  absl::Time write_began_ ABSL_GUARDED_BY(mutex_);
  FrameRate rate_ ABSL_GUARDED_BY(mutex_);  // of the call, whatever its sequences
  bool waiting_for_rate_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::Alarm alarm_;  // set by the drainer only
};

}  // namespace slotmatch
