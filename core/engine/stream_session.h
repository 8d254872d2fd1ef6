#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/engine/batch_scheduler.h"
#include "core/engine/worker_pool.h"
#include "core/image/image.h"
#include "core/track/mask_stats.h"

namespace slotmatch {

enum class MaskFormat { kNone, kRaw, kIndexRle, kPng };

struct StreamOptions {
  MaskFormat mask_format = MaskFormat::kIndexRle;
  bool grid_masks = false;  // masks at the patch grid instead of the frame's size
  ImageLimits image_limits;
};

// One frame as it came in.
struct SourceFrame {
  uint64_t id = 0;
  int64_t capture_time_us = 0;
  bool raw = false;  // `bytes` are pixels in `format`, else a JPEG or PNG file
  RawFormat format = RawFormat::kRgb8;
  int64_t width = 0;  // of raw pixels
  int64_t height = 0;
  std::string bytes;
  absl::Status readable;  // not OK: what the transport found wrong; the frame's outcome
  absl::Time arrived;
  absl::Time deadline = absl::InfiniteFuture();
};

struct FrameTimings {
  absl::Duration decode, queue, compute, mask, total;
  int batch_size = 0;
};

// What one frame became.
struct FrameSegmentation {
  int source_width = 0;
  int source_height = 0;
  MaskFormat mask_format = MaskFormat::kNone;
  int mask_width = 0;
  int mask_height = 0;
  std::string mask;              // index map in mask_format
  std::vector<SlotStats> slots;  // [K]; boxes in source pixels, areas in mask pixels
  int64_t mask_pixels = 0;       // the areas' total
  std::vector<float> vectors;    // [K, S]
  FrameTimings timings;
};

struct FrameOutcome {
  uint64_t id = 0;
  int64_t capture_time_us = 0;
  // INVALID_ARGUMENT, DATA_LOSS: the picture; DEADLINE_EXCEEDED, CANCELLED: not computed;
  // INTERNAL, RESOURCE_EXHAUSTED: the engine. The session goes on after any of them.
  absl::StatusOr<FrameSegmentation> result = absl::UnknownError("not computed");
};

// One stream on its way through the engine: decode -> preprocess (worker pool) -> model (batch
// scheduler, one frame at a time, because the next needs its state) -> label map, statistics and
// encoding (worker pool). Frames decode and post-process while others compute; outcomes leave in
// the order of Submit(). A frame that fails leaves the temporal state untouched.
//
// The caller bounds the number of frames inside. Thread-safe. Scheduler and pool are borrowed and
// must be stopped before they are destroyed.
class StreamSession : public std::enable_shared_from_this<StreamSession> {
 public:
  // Called once per frame, in order, never two at a time, from a worker or executor thread or from
  // within Submit(); must not block.
  using OnOutcome = std::function<void(FrameOutcome)>;

  static std::shared_ptr<StreamSession> Create(size_t model, const ModelInfo& info,
                                               const StreamOptions& options,
                                               BatchScheduler* scheduler, WorkerPool* pool,
                                               OnOutcome on_outcome);
  virtual ~StreamSession() = default;

  virtual void Submit(SourceFrame frame) = 0;
  // Frames not yet computed are not computed any more; their outcomes are CANCELLED.
  virtual void Cancel() = 0;
};

}  // namespace slotmatch
