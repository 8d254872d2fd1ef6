#include "server/rpc/frame_call.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "core/base/status.h"
#include "server/rpc/status_convert.h"

namespace slotmatch {
namespace {

struct RefusalRow {
  RefusalReason reason;
  const char* label;  // of slotmatch_sessions_refused_total
};
constexpr RefusalRow kRefusals[] = {{RefusalReason::kTenant, "tenant"},
                                    {RefusalReason::kMemory, "memory"},
                                    {RefusalReason::kQueue, "queue"},
                                    {RefusalReason::kOverload, "overload"}};

const char* LabelOf(RefusalReason reason) {
  for (const RefusalRow& row : kRefusals) {
    if (row.reason == reason) return row.label;
  }
  return kRefusals[0].label;
}

// The caller's own word, so cut short: it is kept with every frame.
std::string HeaderOf(const grpc::CallbackServerContext& call, const std::string& key) {
  constexpr size_t kLongest = 64;
  const auto found = key.empty() ? call.client_metadata().end() : call.client_metadata().find(key);
  if (found == call.client_metadata().end()) return "";
  return std::string(found->second.data(), std::min(found->second.size(), kLongest));
}

}  // namespace

FrameCall::FrameCall(const ServiceContext* service, grpc::CallbackServerContext* context,
                     const char* type, const char* method)
    : service_(service),
      context_(context),
      scope_(service->metrics, type, method, CallerOf(*context)),
      tally_(service->metrics) {}

absl::Status FrameCall::Enter(const std::shared_ptr<LiveSession>& session) {
  SM_ASSIGN_OR_RETURN(std::string tenant, Authorize(service_->guard, *context_, kRoleInfer));
  if (service_->guard.tokens == nullptr) tenant = HeaderOf(*context_, service_->tenant_header);
  absl::StatusOr<std::string> id = service_->sessions->Admit(session, context_->peer());
  if (!id.ok()) {
    service_->metrics->schedule().SessionRefused(absl::IsUnavailable(id.status()) ? "draining"
                                                                                  : "sessions");
    return id.status();
  }
  tally_.Identify(*id, log_fields());
  absl::MutexLock lock(&mutex_);
  session_id_ = *std::move(id);
  tenant_ = std::move(tenant);
  return absl::OkStatus();
}

absl::Status FrameCall::Admit(const ModelInfo& model, StreamOptions* options) {
  options->tenant = tenant();
  Admission::Verdict verdict = service_->admission->Admit(
      {options->tenant, options->schedule_class, model.name,
       SessionBytes(model, service_->limits.max_queued_frames(), service_->encoded_frame_bytes)});
  if (verdict.ticket == nullptr) {
    service_->metrics->schedule().SessionRefused(LabelOf(verdict.refusal.reason));
    return WithRetry(absl::ResourceExhaustedError(verdict.refusal.message),
                     verdict.refusal.retry_after);
  }
  options->bridge_phase = verdict.ticket->ordinal();
  service_->sessions->Keep(session_id(), std::move(verdict.ticket));
  return absl::OkStatus();
}

void FrameCall::Received(SourceFrame* frame) {
  frame->arrived = absl::Now();
  frame->deadline = absl::FromChrono(context_->deadline());
  tally_.Received(*frame);
}

std::optional<FrameTrace> FrameCall::Done(const FrameOutcome& outcome, const std::string& model) {
  tally_.Done(outcome);
  if (!service_->tracer->recording() || !outcome.result.ok()) return std::nullopt;
  FrameTrace trace;
  trace.session_id = session_id();
  trace.model = model;
  trace.frame_id = outcome.id;
  trace.times = outcome.result->timings.times;
  trace.batch_size = outcome.result->timings.batch_size;
  trace.call = scope_.caller().trace;
  return trace;
}

void FrameCall::Written(std::optional<FrameTrace> trace) {
  if (!trace.has_value()) return;
  trace->written = absl::Now();
  service_->tracer->Record(*std::move(trace));
}

grpc::Status FrameCall::Close(const absl::Status& status) {
  scope_.End(status);
  service_->sessions->Release(session_id());
  return ToGrpcStatus(status);
}

void FrameCall::Leave() { service_->sessions->Remove(session_id()); }

std::string FrameCall::session_id() const {
  absl::MutexLock lock(&mutex_);
  return session_id_;
}

std::string FrameCall::tenant() const {
  absl::MutexLock lock(&mutex_);
  return tenant_;
}

SessionReport FrameCall::Report() const {
  SessionReport report;
  report.method = scope_.method();
  report.client = tenant();
  report.peer = scope_.caller().peer;
  report.trace_id = scope_.caller().trace.trace_id;
  report.opened = scope_.start();
  tally_.AddTo(&report);
  return report;
}

}  // namespace slotmatch
