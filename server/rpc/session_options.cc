#include "server/rpc/session_options.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"

namespace slotmatch {
namespace {

struct PolicyRow {
  v1::FramePolicy wire;
  FramePolicy policy;
};
constexpr PolicyRow kPolicyTable[] = {{v1::FRAME_POLICY_UNSPECIFIED, FramePolicy::kBlock},
                                      {v1::FRAME_POLICY_BLOCK, FramePolicy::kBlock},
                                      {v1::FRAME_POLICY_DROP_OLDEST, FramePolicy::kDropOldest},
                                      {v1::FRAME_POLICY_DROP_NEWEST, FramePolicy::kDropNewest},
                                      {v1::FRAME_POLICY_LATEST_ONLY, FramePolicy::kLatestOnly}};

absl::Status ReadClass(const v1::SessionConfig& config, const SchedulePolicy& policy,
                       SessionOptions* options) {
  SM_ASSIGN_OR_RETURN(options->stream.schedule_class, policy.FindClass(config.scheduling_class()));
  const ScheduleClass& found = policy.classes[options->stream.schedule_class];
  options->class_deadline = found.frame_deadline;
  // Blocking sessions were promised that nothing is dropped.
  options->stream.degradable =
      found.degradable && options->stream.frame_policy != FramePolicy::kBlock;
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadPolicies(const v1::SessionConfig& config, const config::LimitsConfig& limits,
                          const SchedulePolicy& policy, SessionOptions* options) {
  StreamOptions& stream = options->stream;
  bool known = false;
  for (const PolicyRow& row : kPolicyTable) {
    if (row.wire != config.frame_policy()) continue;
    stream.frame_policy = row.policy;
    known = true;
  }
  if (!known) {
    return absl::UnimplementedError(
        absl::StrCat("frame policy ", config.frame_policy(), " is unknown here"));
  }
  if (!v1::GapPolicy_IsValid(config.gap_policy())) {
    return absl::UnimplementedError(
        absl::StrCat("gap policy ", config.gap_policy(), " is unknown here"));
  }
  const bool hold = config.gap_policy() == v1::GAP_POLICY_HOLD;
  stream.max_gap_steps = hold ? 0 : limits.max_gap_steps();
  stream.max_waiting = limits.max_queued_frames();
  const bool block = stream.frame_policy == FramePolicy::kBlock;
  stream.max_unsent = block ? 0 : limits.max_queued_frames();
  if (config.frame_deadline_ms() > 0) {
    options->frame_deadline = absl::Milliseconds(config.frame_deadline_ms());
  }
  options->state_every_frames = config.state_every_frames();
  options->enforce_credits = config.enforce_credits();
  return ReadClass(config, policy, options);
}

absl::Time ExpiryOf(const v1::Frame& frame, const SessionOptions& options, absl::Time now) {
  const absl::Duration own =
      frame.deadline_ms() > 0 ? absl::Milliseconds(frame.deadline_ms()) : options.frame_deadline;
  return now + std::min(own, options.class_deadline);
}

}  // namespace slotmatch
