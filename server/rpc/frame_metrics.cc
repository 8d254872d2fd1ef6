#include "server/rpc/frame_metrics.h"

#include "core/base/log.h"
#include "server/rpc/wire_convert.h"

namespace slotmatch {
namespace {

// A label of slotmatch_frames_failed_total.
const char* FailureReason(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kDataLoss:
      return "decode_error";
    case absl::StatusCode::kDeadlineExceeded:
      return "deadline";
    case absl::StatusCode::kCancelled:
      return "cancelled";
    default:
      return "internal";
  }
}

}  // namespace

void CountOutcome(const FrameOutcome& outcome, const std::string& session_id,
                  ServerMetrics* metrics) {
  if (outcome.state_reset) metrics->StateReset();
  if (outcome.dropped.has_value()) return metrics->FrameDropped(LabelOf(*outcome.dropped));
  if (!outcome.result.ok()) {
    metrics->FrameFailed(FailureReason(outcome.result.status().code()));
    SM_DEBUG("frame failed session_id={} frame_id={} message=\"{}\"", session_id, outcome.id,
             std::string(outcome.result.status().message()));
    return;
  }
  const FrameTimings& timings = outcome.result->timings;
  metrics->StageDone(Stage::kDecode, timings.decode);
  metrics->StageDone(Stage::kQueue, timings.queue);
  metrics->StageDone(Stage::kCompute, timings.compute);
  metrics->StageDone(Stage::kMask, timings.mask);
}

}  // namespace slotmatch
