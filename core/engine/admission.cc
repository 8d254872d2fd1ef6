#include "core/engine/admission.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace slotmatch {
namespace {

absl::Duration Reasonable(absl::Duration delay) {
  return std::clamp(delay, absl::Milliseconds(100), absl::Seconds(60));
}

}  // namespace

int64_t SessionBytes(const ModelInfo& model, int max_frames, int64_t encoded_bytes) {
  const int64_t input = int64_t{3} * model.input_height_px * model.input_width_px;
  const int64_t state = int64_t{model.num_slots} * model.slot_dim;
  const auto value = static_cast<int64_t>(sizeof(float));
  return max_frames * (encoded_bytes + input * value) + state * value;
}

Admission::Admission(const config::AdmissionConfig& config, const BatchScheduler* scheduler,
                     absl::Duration fresh_for, const Clock* clock)
    : config_(config), scheduler_(scheduler), fresh_for_(fresh_for), clock_(clock) {}

std::optional<Refusal> Admission::WhyNoRoom(const AdmissionRequest& request) const {
  const int most = scheduler_->policy().RuleOf(request.tenant).max_sessions;
  const auto tenant = tenants_.find(request.tenant);
  if (most > 0 && tenant != tenants_.end() && tenant->second.sessions >= most) {
    return Refusal{RefusalReason::kTenant,
                   absl::StrCat("all ", most, " sessions of this tenant are taken"),
                   tenant->second.departures.NextIn()};
  }
  const int64_t budget = config_.memory_budget_bytes();
  if (budget > 0 && reserved_bytes_ + request.bytes > budget) {
    return Refusal{RefusalReason::kMemory,
                   absl::StrFormat("a session reserves %d bytes; %d of %d are free", request.bytes,
                                   budget - reserved_bytes_, budget),
                   departures_.NextIn()};
  }
  return std::nullopt;
}

std::optional<Refusal> Admission::WhyTooBusy(const AdmissionRequest& request) {
  if (scheduler_->load().level == LoadLevel::kNoNewSessions) {
    return Refusal{RefusalReason::kOverload, "the server is overloaded and takes no new sessions",
                   Reasonable(scheduler_->TimeToRecover())};
  }
  const absl::Duration target =
      scheduler_->policy().classes[request.schedule_class].target_wait * config_.max_wait_ratio();
  if (target == absl::ZeroDuration() || target == absl::InfiniteDuration()) return std::nullopt;
  const absl::Time now = clock_->Now();
  while (!fresh_.empty() && now - fresh_.front() >= fresh_for_) fresh_.pop_front();
  const absl::Duration wait =
      scheduler_->ProjectedWait(request.model, static_cast<int>(fresh_.size()));
  if (wait <= target) return std::nullopt;
  return Refusal{
      RefusalReason::kQueue,
      absl::StrFormat("the frames that wait take %d ms, more than the %d ms a new session may find",
                      absl::ToInt64Milliseconds(wait), absl::ToInt64Milliseconds(target)),
      Reasonable(wait - target)};
}

Admission::Verdict Admission::Admit(const AdmissionRequest& request) {
  absl::MutexLock lock(&mutex_);
  std::optional<Refusal> refusal = WhyNoRoom(request);
  if (!refusal.has_value()) refusal = WhyTooBusy(request);
  if (refusal.has_value()) return {nullptr, *std::move(refusal)};
  reserved_bytes_ += request.bytes;
  ++tenants_[request.tenant].sessions;
  fresh_.push_back(clock_->Now());
  return {std::shared_ptr<Ticket>(new Ticket(this, request, admitted_++)), {}};
}

void Admission::Leave(const Ticket& ticket) {
  absl::MutexLock lock(&mutex_);
  reserved_bytes_ -= ticket.request_.bytes;
  departures_.Left(clock_->Now());
  const auto tenant = tenants_.find(ticket.request_.tenant);
  tenant->second.departures.Left(clock_->Now());
  if (--tenant->second.sessions == 0) tenants_.erase(tenant);
}

int64_t Admission::reserved_bytes() const {
  absl::MutexLock lock(&mutex_);
  return reserved_bytes_;
}

}  // namespace slotmatch
