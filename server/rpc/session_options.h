#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "core/engine/schedule_policy.h"
#include "core/engine/stream_types.h"
#include "slotmatch/config/serve.pb.h"
#include "slotmatch/v1/slotmatch.pb.h"

namespace slotmatch {

// A SessionConfig in the engine's types.
struct SessionOptions {
  StreamOptions stream;
  v1::SlotEncoding slot_encoding = v1::SLOT_ENCODING_F32;
  // A frame older than the first, or than its own or else the second, is dropped.
  absl::Duration class_deadline = absl::InfiniteDuration();
  absl::Duration frame_deadline = absl::InfiniteDuration();
  uint32_t state_every_frames = 0;
  bool enforce_credits = false;
  bool slot_ids = false;  // Slot.temporal_id is the slot's index
};

// What happens to frames that are too many, too late or missing. UNIMPLEMENTED names a policy this
// server does not know, INVALID_ARGUMENT a scheduling class.
absl::Status ReadPolicies(const v1::SessionConfig& config, const config::LimitsConfig& limits,
                          const SchedulePolicy& policy, SessionOptions* options);

// When a frame that arrives now is too old.
absl::Time ExpiryOf(const v1::Frame& frame, const SessionOptions& options, absl::Time now);

}  // namespace slotmatch
