#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "core/engine/stream_session.h"
#include "server/rpc/admit.h"
#include "server/rpc/rpc_scope.h"
#include "server/rpc/service_context.h"

namespace slotmatch {

// What a unary call wants computed.
struct OneFrame {
  ModelRef model;
  StreamOptions options;
  SourceFrame frame;
};

// A unary call that runs one frame without a past through the engine. It takes a session's place
// while it runs. Owned by itself until OnDone.
class OneFrameReactor : public grpc::ServerUnaryReactor,
                        public LiveSession,
                        public std::enable_shared_from_this<OneFrameReactor> {
 public:
  // Reads the request; its status is the call's.
  using Take = std::function<absl::StatusOr<OneFrame>()>;
  // Writes the response.
  using Fill = std::function<void(FrameSegmentation)>;

  static OneFrameReactor* Start(const ServiceContext* service, grpc::CallbackServerContext* context,
                                const char* method, const Take& take, Fill fill);

  void OnCancel() override;
  void OnDone() override;

  void Tick(absl::Time) override {}
  void Leave() override {}
  void DropWaiting() override {}
  void EndWith(EndCause, const absl::Status&) override {}  // its answer is on its way
  SessionReport Report() const override;

 private:
  OneFrameReactor(const ServiceContext* service, grpc::CallbackServerContext* context,
                  const char* method, Fill fill);
  absl::Status Run(const Take& take);
  void Answer(FrameOutcome outcome);
  void FinishWith(const absl::Status& status);

  const ServiceContext* const service_;
  grpc::CallbackServerContext* const context_;
  RpcScope scope_;
  const Fill fill_;
  std::shared_ptr<OneFrameReactor> self_;
  Caller caller_;  // without a session_id: not admitted
  FrameTally tally_;

  mutable absl::Mutex mutex_;
  std::string model_ ABSL_GUARDED_BY(mutex_), version_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<StreamSession> session_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace slotmatch
