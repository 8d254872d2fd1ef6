#pragma once

#include <string>

#include "absl/time/time.h"
#include "core/engine/degrade_ladder.h"
#include "core/engine/session_state.h"
#include "slotmatch/v1/slotmatch.pb.h"

// What a server says in a stream besides the answers to frames.
namespace slotmatch {

v1::SegmentResponse NoticeOf(v1::Notice::Kind kind, const std::string& message,
                             absl::Duration ends_in = absl::ZeroDuration());
v1::SegmentResponse LoadNoticeOf(const Load& load);
v1::SegmentResponse GoAwayOf(v1::GoAway::Reason reason, const std::string& message);
v1::SegmentResponse PongOf(uint64_t nonce);

SealedState FromWire(const v1::SessionState& wire);
v1::SessionState ToWire(SealedState sealed);

// Writes the state of `point` into a GoAway, or makes `response` a SessionState, or a Notice when
// the model's state cannot be sealed. True when there is a state in it then.
bool SealInto(const StateSealer& sealer, const ModelInfo& model, const SessionPoint& point,
              v1::SegmentResponse* response);

}  // namespace slotmatch
