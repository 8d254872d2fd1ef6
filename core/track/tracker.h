#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/track/track_config.h"
#include "core/track/track_state.h"

namespace slotmatch {

// What one slot shows in one frame.
struct TrackedSlot {
  uint64_t id = 0;        // of its track, 1 and up; 0: the slot shows nothing
  bool born = false;      // the track's first frame
  bool returned = false;  // the track was hidden in the frame before
  bool part = false;      // shows a part of a track that is, or was last, in another slot
  bool visible() const { return id != 0; }
};

// Gives objects stable IDs: IDs follow what a slot shows, not the slot's index. A track is matched
// to a slot by slot vector, cells of the patch grid and slot index, one to one at the least total
// cost; a slot without a fitting track starts a new one; a track without a slot is hidden and may
// come back (docs/track.md). IDs are 1, 2, ... in the order of birth, those of one frame in the
// order of their slots' first cells, and never used twice within a state's life. Two slots have the
// same ID only where one is a part of the other's object.
//
// Immutable and thread-safe. The result depends on nothing but configuration, state and frame, and
// permuting the slots of all frames permutes the results. O(K^3 + K S + K N).
class Tracker {
 public:
  // kFailedPrecondition: the configuration. kInvalidArgument: a shape with an extent below 1, or
  // K > 255.
  static absl::StatusOr<Tracker> Create(const config::TrackConfig& config, const TrackShape& shape);

  // One frame, in the order of the stream: slots [K, S], soft masks [K, N], and the state the frame
  // before left; both spans and the state have the tracker's shape. Any float will do; a vector
  // that is not finite resembles nothing. Gives one result per slot.
  std::vector<TrackedSlot> Step(absl::Span<const float> slots, absl::Span<const float> masks,
                                TrackState* state) const;

  const TrackShape& shape() const { return shape_; }

 private:
  Tracker(const config::TrackConfig& config, const TrackShape& shape)
      : config_(config), shape_(shape) {}

  config::TrackConfig config_;
  TrackShape shape_;
};

}  // namespace slotmatch
