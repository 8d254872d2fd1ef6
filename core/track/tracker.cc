#include "core/track/tracker.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "core/base/assignment.h"
#include "core/base/status.h"

namespace slotmatch {
namespace {

using Track = TrackState::Track;

constexpr double kNever = std::numeric_limits<double>::infinity();
constexpr int kNone = -1;

// One frame on its way through the tracker.
class FrameStep {
 public:
  FrameStep(const config::TrackConfig& config, const TrackShape& shape,
            absl::Span<const float> slots, absl::Span<const float> masks, TrackState* state)
      : config_(config), shape_(shape), state_(*state), grid_(MakeSlotGrid(masks, shape)) {
    for (int k = 0; k < shape.num_slots; ++k) {
      vectors_.push_back(UnitVector(slots.subspan(size_t(k) * shape.slot_dim, shape.slot_dim)));
      if (grid_.regions[k].cells >= config.min_cells()) visible_.push_back(k);
    }
    // New tracks are numbered in this order, which does not depend on slot indices.
    std::sort(visible_.begin(), visible_.end(), [this](int a, int b) {
      return grid_.regions[a].first_cell < grid_.regions[b].first_cell;
    });
    shared_ = SharedCells(grid_.owners, state_.owners(), shape.num_slots);
    cells_before_.resize(shape.num_slots);
    for (const char owner : state_.owners()) {
      const auto slot = static_cast<uint8_t>(owner);
      if (slot < shape.num_slots) ++cells_before_[slot];
    }
    for (const Track& track : state_.tracks()) prototypes_.push_back(UnitVector(track.direction()));
  }

  std::vector<TrackedSlot> Run() {
    Match();
    const std::vector<int> whole_of = FindParts();
    std::vector<TrackedSlot> result(shape_.num_slots);
    for (const int k : visible_) {
      if (whole_of[k] != kNone) {
        if (track_of_[k] != kNone) Continue(k, track_of_[k]);
        result[k] = {.id = state_.tracks(whole_of[k]).id(), .part = true};
      } else {
        result[k] = track_of_[k] == kNone ? Begin(k) : Continue(k, track_of_[k]);
      }
    }
    HideUnseen();
    state_.set_owners(std::move(grid_.owners));
    state_.clear_shown();
    for (const TrackedSlot& slot : result) state_.add_shown(slot.id);
    return result;
  }

 private:
  double Cosine(int k, int t) const { return Dot(vectors_[k], prototypes_[t]); }
  int Shared(int k, int j) const { return shared_[static_cast<size_t>(k) * shape_.num_slots + j]; }

  // Of the slot's cells and the track's in the last frame.
  double Iou(int k, const Track& track) const {
    const int j = static_cast<int>(track.slot()), both = Shared(k, j);
    const int either = grid_.regions[k].cells + cells_before_[j] - both;
    return either == 0 ? 0 : static_cast<double>(both) / either;
  }

  // Whether slot k may be the hidden track, by look and place.
  bool MayReturn(int k, int t) const {
    const Track& track = state_.tracks(t);
    const SlotGrid::Region& region = grid_.regions[k];
    const double x = (double(region.center_x) - track.center_x()) / 256;
    const double y = (double(region.center_y) - track.center_y()) / 256;
    const double distance = std::hypot(x, y) / std::hypot(shape_.grid_width, shape_.grid_height);
    return Cosine(k, t) - config_.return_distance_weight() * distance >= config_.return_cosine();
  }

  double Cost(int k, int t) const {
    const Track& track = state_.tracks(t);
    const bool hidden = track.hidden_frames() > 0;
    if (hidden && !MayReturn(k, t)) return kNever;
    const double iou = hidden ? 0 : Iou(k, track);
    const bool elsewhere = static_cast<int>(track.slot()) != k;
    return config_.vector_weight() * (1 - Cosine(k, t)) + config_.mask_weight() * (1 - iou) +
           (elsewhere ? config_.slot_weight() : 0);
  }

  // Finds the track of every visible slot. Each has a column of its own that means a new track.
  void Match() {
    const int rows = static_cast<int>(visible_.size()), tracks = state_.tracks_size();
    const int columns = tracks + rows;
    std::vector<double> costs(static_cast<size_t>(rows) * columns, kNever);
    for (int i = 0; i < rows; ++i) {
      double* row = costs.data() + static_cast<size_t>(i) * columns;
      for (int t = 0; t < tracks; ++t) row[t] = Cost(visible_[i], t);
      row[tracks + i] = config_.birth_cost();
    }
    const std::vector<int> column_of = SolveAssignment(costs, rows, columns);
    track_of_.assign(shape_.num_slots, kNone);
    for (int i = 0; i < rows; ++i) {
      if (column_of[i] < tracks) track_of_[visible_[i]] = column_of[i];
    }
  }

  void Place(int k, Track* track) const {
    track->set_slot(k);
    track->set_hidden_frames(0);
    track->set_center_x(grid_.regions[k].center_x);
    track->set_center_y(grid_.regions[k].center_y);
  }

  TrackedSlot Begin(int k) {
    Track& track = *state_.add_tracks();
    track.set_id(state_.next_id());
    state_.set_next_id(track.id() + 1);
    track.set_direction(QuantizeDirection(vectors_[k]));
    Place(k, &track);
    return {.id = track.id(), .born = true};
  }

  TrackedSlot Continue(int k, int t) {
    Track& track = *state_.mutable_tracks(t);
    const double rate = config_.vector_rate();
    std::vector<double> mean(shape_.slot_dim);
    for (int i = 0; i < shape_.slot_dim; ++i) {
      mean[i] = (1 - rate) * prototypes_[t][i] + rate * vectors_[k][i];
    }
    track.set_direction(QuantizeDirection(mean));
    const bool was_hidden = track.hidden_frames() > 0;
    Place(k, &track);
    return {.id = track.id(), .returned = was_hidden};
  }

  // The ID that was shown where most of slot k's cells lie now, and by how many of them.
  std::pair<uint64_t, int> MainIdBefore(int k) const {
    std::map<uint64_t, int> cells;
    for (int j = 0; j < state_.shown_size(); ++j) cells[state_.shown(j)] += Shared(k, j);
    std::pair<uint64_t, int> most = {0, 0};
    for (const auto& [id, count] : cells) {
      if (id != 0 && count > most.second) most = {id, count};
    }
    return most;
  }

  // By slot the track it is a part of, or kNone: slots that lie in what another track showed, look
  // like it and touch its slot. A part whose whole has no slot any more becomes the whole.
  std::vector<int> FindParts() {
    const std::vector<bool> touching = TouchingSlots(grid_.owners, shape_);
    std::vector<int> whole_of(shape_.num_slots, kNone);
    for (const int k : visible_) {
      const auto [id, cells] = MainIdBefore(k);
      const int t = IndexOf(id);
      if (t == kNone || t == track_of_[k]) continue;
      if (cells < config_.part_share() * grid_.regions[k].cells) continue;
      if (Cosine(k, t) < config_.part_cosine()) continue;
      const auto whole = std::find(track_of_.begin(), track_of_.end(), t) - track_of_.begin();
      if (whole == shape_.num_slots) {
        track_of_[k] = t;
      } else if (touching[static_cast<size_t>(k) * shape_.num_slots + whole]) {
        whole_of[k] = t;
      }
    }
    return whole_of;
  }

  // Among the tracks of before this frame; kNone for 0.
  int IndexOf(uint64_t id) const {
    for (size_t t = 0; t < prototypes_.size(); ++t) {
      if (state_.tracks(static_cast<int>(t)).id() == id) return static_cast<int>(t);
    }
    return kNone;
  }

  // Ages tracks of before this frame that have no slot, and forgets those hidden longest.
  void HideUnseen() {
    std::vector<const Track*> hidden;
    for (int t = 0; t < static_cast<int>(prototypes_.size()); ++t) {
      if (std::find(track_of_.begin(), track_of_.end(), t) != track_of_.end()) continue;
      Track& track = *state_.mutable_tracks(t);
      track.set_hidden_frames(track.hidden_frames() + 1);
      hidden.push_back(&track);
    }
    std::sort(hidden.begin(), hidden.end(), [](const Track* a, const Track* b) {
      return std::pair(a->hidden_frames(), b->id()) < std::pair(b->hidden_frames(), a->id());
    });
    std::set<uint64_t> forgotten;
    for (size_t i = 0; i < hidden.size(); ++i) {
      if (static_cast<int64_t>(i) >= config_.max_hidden_tracks() ||
          static_cast<int64_t>(hidden[i]->hidden_frames()) > config_.max_hidden_frames()) {
        forgotten.insert(hidden[i]->id());
      }
    }
    auto* tracks = state_.mutable_tracks();
    tracks->erase(std::remove_if(tracks->begin(), tracks->end(),
                                 [&](const Track& t) { return forgotten.contains(t.id()); }),
                  tracks->end());
  }

  const config::TrackConfig& config_;
  const TrackShape& shape_;
  TrackState& state_;
  SlotGrid grid_;
  std::vector<std::vector<double>> vectors_;     // [K, S] of unit length
  std::vector<std::vector<double>> prototypes_;  // [T, S] of the tracks of before this frame
  std::vector<int> visible_;                     // slots, by first cell
  std::vector<int> shared_;                      // [K, K] cells now and before
  std::vector<int> cells_before_;                // [K]
  std::vector<int> track_of_;                    // [K] its track, or kNone
};

}  // namespace

absl::StatusOr<Tracker> Tracker::Create(const config::TrackConfig& config,
                                        const TrackShape& shape) {
  SM_RETURN_IF_ERROR(ValidateTrackConfig(config, "track"));
  if (shape.num_slots < 1 || shape.num_slots > kNoOwner || shape.slot_dim < 1 ||
      shape.grid_width < 1 || shape.grid_height < 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "tracking needs 1 to 255 slots, a slot width and a grid; got ", shape.num_slots,
        " slots of ", shape.slot_dim, " on ", shape.grid_width, " x ", shape.grid_height));
  }
  return Tracker(config, shape);
}

std::vector<TrackedSlot> Tracker::Step(absl::Span<const float> slots, absl::Span<const float> masks,
                                       TrackState* state) const {
  return FrameStep(config_, shape_, slots, masks, state).Run();
}

}  // namespace slotmatch
