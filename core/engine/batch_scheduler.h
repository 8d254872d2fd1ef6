#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "core/base/clock.h"
#include "core/engine/degrade_ladder.h"
#include "core/engine/frame_job.h"
#include "core/engine/schedule_policy.h"
#include "core/engine/segmenter.h"

namespace slotmatch {

// Called on the executor thread after every batch; for metrics. Must not block.
struct BatchReport {
  const ModelInfo* model = nullptr;  // borrowed for the call
  int batch_size = 0;
  absl::Duration compute;
  absl::Status status;
  std::vector<std::pair<size_t, absl::Duration>> waits;  // of each frame: class, time in the queue
  absl::Time compute_began = absl::InfinitePast();
};

struct SchedulerOptions {
  SchedulePolicy policy;
  config::DegradeConfig degrade;
  const Clock* clock = &Clock::Real();  // outlives the scheduler
  // False: no executor thread; the owner calls RunDue(), and all callbacks come from within it.
  bool own_thread = true;
  std::function<void(const BatchReport&)> on_batch;  // may be empty
  // Called when the load has changed, from RunDue() and Tick(); may be empty. Must not block.
  std::function<void(const Load&)> on_load;
};

// Gathers frames of different streams into batches and runs them on one executor thread (one per
// device). Whose turn it is: BatchQueue; what changes under overload: DegradeLadder. Frames past
// their deadline are answered without being computed. A batch holds frames of one model, all first
// frames or all later ones. The caller keeps at most one frame of a stream in flight, because the
// next needs its state. Models come with their frames: any may join, and leave, at any time.
// Thread-safe.
class BatchScheduler {
 public:
  explicit BatchScheduler(SchedulerOptions options);
  ~BatchScheduler();  // Stop()

  // RESOURCE_EXHAUSTED when the queue is full, UNAVAILABLE after Stop(), INVALID_ARGUMENT without a
  // model or for a pixel count that does not fit it; `done` is then not called.
  absl::Status Submit(FrameJob job);

  // Refuses new frames, finishes those queued and joins the executor. Idempotent.
  void Stop();

  // Answers what is too late and runs the batch that is due, if there is one. False when there was
  // nothing to do. For owners without executor thread.
  bool RunDue();
  // Lets the load move while no frames come. Call about once an interval.
  void Tick();

  const SchedulePolicy& policy() const;
  Load load() const;
  // How long it takes, at best, until the load goes down by a rung.
  absl::Duration TimeToRecover() const;
  // How long the frames that wait now take, and `more` ones of the model with this name.
  absl::Duration ProjectedWait(const std::string& model, int more) const;
  size_t queued_frames() const;
  // When the batch that is being computed began; InfiniteFuture while none is. A time that stays
  // the same for long tells a device that hangs.
  absl::Time busy_since() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace slotmatch
