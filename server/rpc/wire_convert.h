#pragma once

#include "absl/status/statusor.h"
#include "core/engine/stream_session.h"
#include "server/rpc/session_options.h"
#include "slotmatch/config/serve.pb.h"
#include "slotmatch/v1/slotmatch.pb.h"

// Between the wire's messages and the engine's types; no computation.
namespace slotmatch {

v1::Limits ToWire(const config::LimitsConfig& limits);

// What a session asked for. UNIMPLEMENTED names a value this server does not know, INVALID_ARGUMENT
// a scheduling class.
absl::StatusOr<SessionOptions> FromWire(const v1::SessionConfig& config,
                                        const config::LimitsConfig& limits,
                                        const SchedulePolicy& policy);

// What a picture may be.
ImageLimits LimitsOf(const config::LimitsConfig& limits);

// Takes the bytes out of `frame`. A frame without a picture is INVALID_ARGUMENT at decode time.
SourceFrame TakeFrame(v1::Frame* frame);

// "jpeg", "png", "raw" or "unknown": a metric label.
const char* CodecOf(const SourceFrame& frame);

// A label of slotmatch_frames_dropped_total.
const char* LabelOf(DropReason reason);

// FrameResult, FrameError or FrameDropped.
v1::SegmentResponse ToWire(FrameOutcome outcome, v1::SlotEncoding slot_encoding);

void FillServerInfo(const config::LimitsConfig& limits, const SchedulePolicy& policy,
                    bool signs_states, v1::GetServerInfoResponse* response);

}  // namespace slotmatch
