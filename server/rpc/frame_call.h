#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "core/engine/stream_types.h"
#include "server/rpc/frame_metrics.h"
#include "server/rpc/rpc_scope.h"
#include "server/rpc/service_context.h"
#include "server/rpc/session_report.h"

namespace slotmatch {

// What the calls that have frames computed share: who calls, the place among the sessions, the
// counts of the call and of its frames, their traces, and the end. Thread-safe.
class FrameCall {
 public:
  // `type` and `method` are a row of the metrics. Both pointers are borrowed for the call's life.
  FrameCall(const ServiceContext* service, grpc::CallbackServerContext* context, const char* type,
            const char* method);

  // A place for `session` if its caller may infer. Statuses of Authorize() and
  // SessionRegistry::Admit(); a call without a place is counted.
  absl::Status Enter(const std::shared_ptr<LiveSession>& session);
  // Lets the session use `model` until its place is given back, or RESOURCE_EXHAUSTED with the time
  // after which to try again, which is counted. Completes what its frames are scheduled by.
  absl::Status Admit(const ModelInfo& model, StreamOptions* options);

  // A frame has come: counts it, and stamps it with the time and the call's deadline.
  void Received(SourceFrame* frame);
  // Counts what became of it. For Written(): what the tracer wants of a result, if it records.
  std::optional<FrameTrace> Done(const FrameOutcome& outcome, const std::string& model);
  // The result has left.
  void Written(std::optional<FrameTrace> trace);

  void MessageReceived() { scope_.MessageReceived(); }
  void MessageSent() { scope_.MessageSent(); }

  // Gives the place back and counts the end; what to finish the call with.
  grpc::Status Close(const absl::Status& status);
  // The last thing a call does: the drain waits no longer for it.
  void Leave();

  std::string session_id() const;  // empty: not entered
  std::string tenant() const;
  const std::string& log_fields() const { return scope_.log_fields(); }
  // All but what is the session's own: models, credits, what is inside.
  SessionReport Report() const;

 private:
  const ServiceContext* const service_;
  grpc::CallbackServerContext* const context_;
  RpcScope scope_;
  FrameTally tally_;
  mutable absl::Mutex mutex_;  // whoever lists sessions may look before Enter() has returned
  std::string session_id_ ABSL_GUARDED_BY(mutex_);
  // The token's name; without tokens what scheduling.tenant_header says.
  std::string tenant_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace slotmatch
