#pragma once

#include <functional>
#include <memory>

#include "core/engine/batch_scheduler.h"
#include "core/engine/stream_types.h"
#include "core/engine/worker_pool.h"

namespace slotmatch {

// One stream on its way through the engine: decode -> preprocess (worker pool) -> model (batch
// scheduler, one frame at a time, because the next needs its state) -> label map, statistics and
// encoding (worker pool). Frames decode and post-process while others compute; outcomes leave in
// the order of Submit(). A frame without a result leaves the temporal state untouched; the next one
// that is computed bridges it with a predictor step, as it does every frame id that never came.
//
// With FramePolicy::kBlock the caller bounds the number of frames inside; with the others the
// session drops frames that wait. Thread-safe. The model is shared and
// lives as long as the session; scheduler and pool are borrowed and must be stopped before they are
// destroyed.
class StreamSession : public std::enable_shared_from_this<StreamSession> {
 public:
  // Called once per frame, in order, never two at a time, from a worker or executor thread or from
  // within Submit() and DropWaiting(); must not block.
  using OnOutcome = std::function<void(FrameOutcome)>;

  static std::shared_ptr<StreamSession> Create(std::shared_ptr<Segmenter> model,
                                               const StreamOptions& options,
                                               BatchScheduler* scheduler, WorkerPool* pool,
                                               OnOutcome on_outcome);
  virtual ~StreamSession() = default;

  // Frame ids strictly increase.
  virtual void Submit(SourceFrame frame) = 0;
  // A result has left the transport: makes room when StreamOptions::max_unsent bounds them.
  virtual void Sent() = 0;
  // Frames that are not being computed get dropped.
  virtual void DropWaiting(DropReason reason) = 0;
  // Frames not yet computed are not computed any more; their outcomes are CANCELLED.
  virtual void Cancel() = 0;
};

}  // namespace slotmatch
