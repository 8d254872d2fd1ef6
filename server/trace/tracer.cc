#include "server/trace/tracer.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace slotmatch {

absl::Status Tracer::Start(int64_t max_frames) {
  if (max_frames < 1 || max_frames > kMaxFrames) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_frames is ", max_frames, "; it must be between 1 and ", kMaxFrames));
  }
  absl::MutexLock lock(&mutex_);
  if (recording()) return absl::FailedPreconditionError("a trace is being recorded; stop it first");
  max_frames_ = max_frames;
  recording_now_ = {absl::Now(), {}, {}, 0};
  recording_ = true;
  return absl::OkStatus();
}

absl::StatusOr<TraceRecording> Tracer::Stop() {
  absl::MutexLock lock(&mutex_);
  if (!recording()) return absl::FailedPreconditionError("no trace is being recorded");
  recording_ = false;
  return std::exchange(recording_now_, {});
}

void Tracer::Record(FrameTrace frame) {
  absl::MutexLock lock(&mutex_);
  // One that was inside when the recording began would begin before it.
  if (!recording() || frame.times.arrived < recording_now_.began) return;
  if (static_cast<int64_t>(recording_now_.frames.size()) >= max_frames_) {
    ++recording_now_.not_recorded;
  } else {
    recording_now_.frames.push_back(std::move(frame));
  }
}

void Tracer::Record(BatchTrace batch) {
  absl::MutexLock lock(&mutex_);
  if (!recording() || batch.began < recording_now_.began) return;
  if (static_cast<int64_t>(recording_now_.batches.size()) >= max_frames_) {
    ++recording_now_.not_recorded;
  } else {
    recording_now_.batches.push_back(std::move(batch));
  }
}

}  // namespace slotmatch
