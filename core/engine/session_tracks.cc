#include "core/engine/session_tracks.h"

#include <numeric>
#include <utility>

namespace slotmatch {
namespace {

TrackShape ShapeOf(const ModelInfo& model) {
  return {model.num_slots, model.slot_dim, model.grid_width, model.grid_height};
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Tracker>> MakeTracker(const config::TrackConfig& config,
                                                           const ModelInfo& model) {
  absl::StatusOr<Tracker> tracker = Tracker::Create(config, ShapeOf(model));
  if (!tracker.ok()) return tracker.status();
  return std::make_shared<const Tracker>(*std::move(tracker));
}

absl::Status CheckTracks(const std::string& track, const ModelInfo& model) {
  if (track.empty()) return absl::OkStatus();
  const absl::Status status = ParseTrackState(track, ShapeOf(model)).status();
  return status.ok() ? status : absl::DataLossError(status.message());
}

SessionTracks::SessionTracks(std::shared_ptr<const Tracker> tracker, const std::string& track)
    : tracker_(std::move(tracker)), kept_(track) {
  if (tracker_ == nullptr || track.empty()) return;
  absl::StatusOr<TrackState> state = ParseTrackState(track, tracker_->shape());
  if (state.ok()) state_ = *std::move(state);
}

std::vector<uint64_t> SessionTracks::Step(const StepOutput& step, const ModelInfo& model,
                                          SlotHealth* health) {
  std::vector<uint64_t> ids(model.num_slots);
  if (tracker_ == nullptr) {
    std::iota(ids.begin(), ids.end(), 0);
    return ids;
  }
  const std::vector<TrackedSlot> slots = tracker_->Step(step.slots, step.masks, &state_);
  for (size_t k = 0; k < slots.size(); ++k) ids[k] = slots[k].id;
  if (health != nullptr) {
    for (size_t k = 0; k < slots.size(); ++k) {
      health->tracks_born += slots[k].born;
      health->tracks_returned += slots[k].returned;
      if (!shown_.empty() && shown_[k] != ids[k]) health->churn += 1.0 / model.num_slots;
    }
  }
  shown_ = ids;
  return ids;
}

void SessionTracks::Reset() {
  TrackState fresh;
  fresh.set_next_id(state_.next_id());
  shown_.clear();
  state_ = std::move(fresh);
}

std::string SessionTracks::bytes() const {
  return tracker_ == nullptr ? kept_ : SerializeTrackState(state_);
}

}  // namespace slotmatch
