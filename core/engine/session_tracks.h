#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/engine/segmenter.h"
#include "core/engine/stream_types.h"
#include "core/track/tracker.h"

namespace slotmatch {

// The tracker of a model's sessions. FAILED_PRECONDITION names a setting that is out of range,
// INVALID_ARGUMENT a model that cannot be tracked.
absl::StatusOr<std::shared_ptr<const Tracker>> MakeTracker(const config::TrackConfig& config,
                                                           const ModelInfo& model);

// The tracks of a session in SessionPoint::track, empty: none yet. DATA_LOSS: they do not fit the
// model.
absl::Status CheckTracks(const std::string& track, const ModelInfo& model);

// The IDs of one session's slots. Not thread-safe.
class SessionTracks {
 public:
  // tracker null: IDs are slot indices, and `track` is kept as it is. `track` has passed
  // CheckTracks(), else the session begins without tracks.
  SessionTracks(std::shared_ptr<const Tracker> tracker, const std::string& track);

  // IDs of the next frame's slots, [K]. Writes what happened to the tracks into `health`, unless it
  // is null or there is no tracker.
  std::vector<uint64_t> Step(const StepOutput& step, const ModelInfo& model,
                             SlotHealth* health = nullptr);
  // Forgets all tracks, not which IDs were used.
  void Reset();
  std::string bytes() const;

 private:
  const std::shared_ptr<const Tracker> tracker_;
  std::string kept_;
  TrackState state_;
  std::vector<uint64_t> shown_;  // IDs of the frame before; empty: none yet
};

}  // namespace slotmatch
