#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/engine/segmenter.h"

namespace slotmatch {

struct BatchOptions {
  int max_batch_size = 8;
  absl::Duration max_delay = absl::Milliseconds(2);  // longest wait for a batch to fill
  size_t max_queued_frames = 256;                    // over all streams
};

// What happened to a frame between Submit() and its callback.
struct StepTiming {
  absl::Duration queue;    // waiting for the batch
  absl::Duration compute;  // Segmenter::Step, for the whole batch
  int batch_size = 0;
};

// One frame of one stream on its way to the model.
struct FrameJob {
  std::shared_ptr<Segmenter> model;  // shared: it lives until its last frame is answered
  std::vector<float> pixels;         // [3, H, W]
  StreamState state;
  int skipped = 0;  // StepInput::skipped
  absl::Time deadline = absl::InfiniteFuture();
  std::function<bool()> cancelled;  // may be empty; asked before the frame is computed
  // Called exactly once, on the executor thread, after the batch; must not block. CANCELLED and
  // DEADLINE_EXCEEDED frames were never computed.
  absl::AnyInvocable<void(absl::StatusOr<StepOutput>, const StepTiming&)> done;
};

// Called on the executor thread after every batch; for metrics. Must not block.
struct BatchReport {
  const ModelInfo* model = nullptr;  // borrowed for the call
  int batch_size = 0;
  absl::Duration compute;
  absl::Status status;
};

// Gathers frames of different streams into batches and runs them, oldest first, on one executor
// thread (one per device). A batch holds frames of one model, all first frames or all later ones.
// The caller keeps at most one frame of a stream in flight, because the next needs its state.
// Models come with their frames: any may join, and leave, at any time. Thread-safe.
class BatchScheduler {
 public:
  // `on_batch` may be empty.
  explicit BatchScheduler(const BatchOptions& options,
                          std::function<void(const BatchReport&)> on_batch = {});
  ~BatchScheduler();  // Stop()

  // RESOURCE_EXHAUSTED when the queue is full, UNAVAILABLE after Stop(), INVALID_ARGUMENT without a
  // model or for a pixel count that does not fit it; `done` is then not called.
  absl::Status Submit(FrameJob job);

  // Refuses new frames, finishes those queued and joins the executor. Idempotent.
  void Stop();

  size_t queued_frames() const;
  // When the batch that is being computed began; InfiniteFuture while none is. A time that stays
  // the same for long tells a device that hangs.
  absl::Time busy_since() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace slotmatch
