#include "server/rpc/admit.h"

#include <algorithm>
#include <utility>

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

absl::StatusOr<Caller> AdmitCall(const ServiceContext& service,
                                 const grpc::CallbackServerContext& call,
                                 const std::shared_ptr<LiveSession>& session) {
  Caller caller;
  SM_ASSIGN_OR_RETURN(caller.tenant, Authorize(service.guard, call, kRoleInfer));
  if (service.guard.tokens == nullptr) caller.tenant = HeaderOf(call, service.tenant_header);
  absl::StatusOr<std::string> id = service.sessions->Admit(session, call.peer());
  if (!id.ok()) {
    service.metrics->schedule().SessionRefused(absl::IsUnavailable(id.status()) ? "draining"
                                                                                : "sessions");
    return id.status();
  }
  caller.session_id = *std::move(id);
  return caller;
}

absl::Status AdmitSession(const ServiceContext& service, const Caller& caller,
                          const ModelInfo& model, StreamOptions* options) {
  Admission::Verdict verdict = service.admission->Admit(
      {caller.tenant, options->schedule_class, model.name,
       SessionBytes(model, service.limits.max_queued_frames(), service.encoded_frame_bytes)});
  if (verdict.ticket == nullptr) {
    service.metrics->schedule().SessionRefused(LabelOf(verdict.refusal.reason));
    return WithRetry(absl::ResourceExhaustedError(verdict.refusal.message),
                     verdict.refusal.retry_after);
  }
  options->tenant = caller.tenant;
  options->bridge_phase = verdict.ticket->ordinal();
  service.sessions->Keep(caller.session_id, std::move(verdict.ticket));
  return absl::OkStatus();
}

SessionReport ReportOf(const RpcScope& scope, const Caller& caller, const FrameTally& tally) {
  SessionReport report;
  report.method = scope.method();
  report.client = caller.tenant;
  report.peer = scope.caller().peer;
  report.trace_id = scope.caller().trace.trace_id;
  report.opened = scope.start();
  tally.AddTo(&report);
  return report;
}

}  // namespace slotmatch
