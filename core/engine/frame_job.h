#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/engine/segmenter.h"

namespace slotmatch {

// What happened to a frame between Submit() and its callback.
struct StepTiming {
  absl::Duration queue;    // waiting for the batch
  absl::Duration compute;  // Segmenter::Step, for the whole batch
  int batch_size = 0;
  absl::Time compute_began = absl::InfinitePast();  // of the batch
};

// One frame of one stream on its way to the model.
struct FrameJob {
  std::shared_ptr<Segmenter> model;  // shared: it lives until its last frame is answered
  size_t schedule_class = 0;         // index into SchedulePolicy::classes
  std::string tenant;                // whose stream it is
  std::vector<float> pixels;         // [3, H, W]
  StreamState state;
  int skipped = 0;  // StepInput::skipped
  absl::Time deadline = absl::InfiniteFuture();
  // May be empty; asked before the frame is computed, under the scheduler's lock.
  std::function<bool()> cancelled;
  // Called exactly once, on the executor thread, after the batch; must not block. CANCELLED and
  // DEADLINE_EXCEEDED frames were never computed.
  absl::AnyInvocable<void(absl::StatusOr<StepOutput>, const StepTiming&)> done;
};

// A job that waits.
struct QueuedJob {
  FrameJob job;
  absl::Time arrived;
};

}  // namespace slotmatch
