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

void FrameTally::Identify(const std::string& session_id, const std::string& log_fields) {
  session_id_ = session_id;
  log_fields_ = log_fields;
}

void FrameTally::Received(const SourceFrame& frame) {
  ++received_;
  metrics_->FrameReceived(CodecOf(frame), frame.bytes.size());
}

void FrameTally::Done(const FrameOutcome& outcome) {
  if (outcome.state_reset) metrics_->StateReset();
  if (outcome.dropped.has_value()) {
    ++dropped_;
    return metrics_->FrameDropped(LabelOf(*outcome.dropped));
  }
  if (!outcome.result.ok()) {
    ++failed_;
    metrics_->FrameFailed(FailureReason(outcome.result.status().code()));
    SM_DEBUG("frame failed session_id={} frame_id={} error={}{}", session_id_, outcome.id,
             Quoted(outcome.result.status().message()), log_fields_);
    return;
  }
  ++answered_;
  metrics_->FrameProcessed(outcome.result->timings.total);
  metrics_->FrameStages(outcome.result->timings);
  metrics_->SlotsSeen(outcome.result->health);
  SM_DEBUG("frame done session_id={} frame_id={} total_ms={:.1f} batch_size={}{}", session_id_,
           outcome.id, absl::ToDoubleMilliseconds(outcome.result->timings.total),
           outcome.result->timings.batch_size, log_fields_);
}

void FrameTally::AddTo(SessionReport* report) const {
  report->frames_received = received_;
  report->frames_answered = answered_;
  report->frames_failed = failed_;
  report->frames_dropped = dropped_;
}

}  // namespace slotmatch
