#pragma once

#include <grpcpp/grpcpp.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "inference/grpc_service.grpc.pb.h"
#include "server/rpc/frame_call.h"
#include "server/rpc/kserve_convert.h"
#include "server/rpc/service_context.h"
#include "server/rpc/session_clock.h"

namespace slotmatch {

// One ModelStreamInfer call: requests are answered one after the other, in order. A request with a
// sequence_id belongs to a session of this call, from sequence_start to sequence_end; one without
// is a frame without a past. What is wrong with a request is its answer's error_message; the call
// goes on. Owned by itself until OnDone.
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
  void DropWaiting() override {}
  void EndWith(EndCause cause, const absl::Status& status) override;
  SessionReport Report() const override;

 private:
  enum class Phase { kIdle, kReading, kComputing, kAnswered, kWriting, kFinished };
  // Model name, version and sequence_id as the requests have them: a sequence stays with the model
  // it began with.
  using SequenceKey = std::tuple<std::string, std::string, std::string>;
  struct Sequence {
    ModelRef model;
    std::shared_ptr<StreamSession> session;
  };

  KServeStreamReactor(const ServiceContext* service, grpc::CallbackServerContext* context);
  // Starts the operation that is due, if none is in flight.
  void Advance() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status HandleRequest();
  absl::StatusOr<Sequence> SequenceOf(const KServeInfer& infer);
  absl::StatusOr<Sequence> NewSequence();
  void Answer(FrameOutcome outcome);
  void AnswerError(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void End(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);

  const ServiceContext* const service_;
  grpc::CallbackServerContext* const context_;
  FrameCall call_;
  std::shared_ptr<KServeStreamReactor> self_;
  bool working_ = false;  // it was admitted, for all its sequences

  // Of the one request that is inside.
  inference::ModelInferRequest request_;
  KServeInfer infer_;
  ModelRef model_;
  std::map<SequenceKey, Sequence> sequences_;
  uint64_t next_frame_ = 0;

  mutable absl::Mutex mutex_;
  // Of the last request; a call may use several.
  std::string model_name_ ABSL_GUARDED_BY(mutex_), model_version_ ABSL_GUARDED_BY(mutex_);
  Phase phase_ ABSL_GUARDED_BY(mutex_) = Phase::kIdle;
  std::shared_ptr<StreamSession> computing_ ABSL_GUARDED_BY(mutex_);
  inference::ModelStreamInferResponse response_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
  SessionClock clock_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace slotmatch
