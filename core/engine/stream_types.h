#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/engine/session_state.h"
#include "core/image/image.h"
#include "core/track/mask_stats.h"
#include "core/track/tracker.h"

// What goes into a session and comes out of it. Plain values.
namespace slotmatch {

enum class MaskFormat { kNone, kRaw, kIndexRle, kPng, kCocoRle };

// What happens to frames that come faster than they are computed.
enum class FramePolicy { kBlock, kDropOldest, kDropNewest, kLatestOnly };

enum class DropReason {
  kQueueFull,
  kSuperseded,
  kDeadline,
  kDraining,
  kOverload,
  kRate,
  kDuplicate
};

struct StreamOptions {
  MaskFormat mask_format = MaskFormat::kIndexRle;
  bool grid_masks = false;  // masks at the patch grid instead of the frame's size
  bool soft_masks = false;  // the model's own masks as well
  ImageLimits image_limits;
  FramePolicy frame_policy = FramePolicy::kBlock;  // kBlock: the caller bounds what is inside
  bool skip_duplicates = false;  // frames with the bytes of the one before them are dropped
  int max_waiting = 4;           // of the other policies: frames kept that are not being computed
  int max_gap_steps = 8;         // predictor steps that bridge frame ids without a result; 0: none
  // Results handed over and not yet Sent(); the next frame waits at that many. 0: unbounded.
  int max_unsent = 0;
  size_t schedule_class = 0;  // of SchedulePolicy
  std::string tenant;         // whose session it is
  // Under overload some frames are dropped and bridged like missing ones (Load::bridged_frames).
  bool degradable = false;
  uint64_t bridge_phase = 0;  // differs between sessions, so that they do not compute all at once
  std::shared_ptr<const Tracker> tracker;  // of the model; null: IDs are slot indices
  SessionPoint resume;                     // where the session begins
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
  absl::Status readable;   // not OK: what the transport found wrong; the frame's outcome
  bool over_rate = false;  // the sender is faster than it may be: dropped
  absl::Time arrived;
  absl::Time deadline = absl::InfiniteFuture();  // of the stream; later: DEADLINE_EXCEEDED
  absl::Time expires = absl::InfiniteFuture();   // of the frame; later: dropped
};

// When a frame got where. A stage that it did not reach keeps InfinitePast.
struct FrameTimes {
  absl::Time arrived = absl::InfinitePast();
  absl::Time decode_began = absl::InfinitePast();   // a worker took it
  absl::Time decoded = absl::InfinitePast();        // pixels are there
  absl::Time submitted = absl::InfinitePast();      // its turn in the stream; it waits for a batch
  absl::Time compute_began = absl::InfinitePast();  // of its batch
  absl::Time computed = absl::InfinitePast();
  absl::Time encode_began = absl::InfinitePast();  // labels and statistics are there
  absl::Time finished = absl::InfinitePast();
};

struct FrameTimings {
  absl::Duration decode, queue, compute, mask, total;
  int batch_size = 0;
  FrameTimes times;
};

// How well the slots of a frame, and their tracks, do.
struct SlotHealth {
  int empty_slots = 0;  // own no pixel
  double entropy = 0;   // of the soft masks, mean over tokens, 0 (sure) to 1 (all slots alike)
  double churn = 0;     // share of slots that show another track than in the frame before
  int tracks_born = 0;
  int tracks_returned = 0;  // that were hidden in the frame before
};

// What one frame became.
struct FrameSegmentation {
  int source_width = 0;
  int source_height = 0;
  MaskFormat mask_format = MaskFormat::kNone;
  int mask_width = 0;
  int mask_height = 0;
  std::string mask;                     // index map in mask_format; kCocoRle: empty
  std::vector<std::string> slot_masks;  // [K] of kCocoRle, else empty
  std::vector<float> soft_masks;        // [K, N = grid_height * grid_width], if asked for
  int grid_width = 0;
  int grid_height = 0;
  std::vector<SlotStats> slots;  // [K]; boxes and centres in source pixels, areas in mask pixels
  std::vector<double>
      slot_entropy;            // [K] as SlotHealth::entropy, over the tokens a slot claims most
  int64_t mask_pixels = 0;     // the areas' total
  std::vector<float> vectors;  // [K, S]
  std::vector<uint64_t> ids;   // [K] Slot.temporal_id
  SlotHealth health;
  FrameTimings timings;
};

struct FrameOutcome {
  uint64_t id = 0;
  int64_t capture_time_us = 0;
  // INVALID_ARGUMENT, DATA_LOSS: the picture; DEADLINE_EXCEEDED, CANCELLED: not computed;
  // INTERNAL, RESOURCE_EXHAUSTED: the engine; ABORTED: `dropped` says why. The session goes on
  // after any of them.
  absl::StatusOr<FrameSegmentation> result = absl::UnknownError("not computed");
  std::optional<DropReason> dropped;
  bool state_reset = false;  // the next state was not finite; the next frame begins a new one
  SessionPoint point;        // the session after this outcome and those before it
};

}  // namespace slotmatch
