#include "core/track/track_state.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"

namespace slotmatch {
namespace {

constexpr uint32_t kVersion = 1;
constexpr size_t kMostTracks = 1024;              // K and max_hidden_tracks are below 512 each
constexpr uint64_t kMostIds = uint64_t{1} << 62;  // far from where IDs would start anew
constexpr size_t kMostBytes = 1 << 24;

absl::Status Misfit(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("track state: ", what));
}

absl::Status CheckSize(absl::string_view what, size_t size, int wanted) {
  if (size == static_cast<size_t>(wanted)) return absl::OkStatus();
  return Misfit(absl::StrCat(what, " has ", size, " values, the model needs ", wanted));
}

absl::Status CheckTrack(const TrackState::Track& track, const TrackShape& shape) {
  SM_RETURN_IF_ERROR(CheckSize(absl::StrCat("direction of track ", track.id()),
                               track.direction().size(), shape.slot_dim));
  if (track.slot() >= static_cast<uint32_t>(shape.num_slots)) {
    return Misfit(absl::StrCat("track ", track.id(), " is in slot ", track.slot(),
                               ", the model has ", shape.num_slots));
  }
  return absl::OkStatus();
}

absl::Status CheckTracks(const TrackState& state, const TrackShape& shape) {
  if (static_cast<size_t>(state.tracks_size()) > kMostTracks) {
    return Misfit(absl::StrCat(state.tracks_size(), " tracks, at most ", kMostTracks));
  }
  if (state.next_id() == 0 || state.next_id() > kMostIds) {
    return Misfit(absl::StrCat("the next ID is ", state.next_id(), ", it must be 1 to ", kMostIds));
  }
  std::vector<bool> taken(shape.num_slots);
  uint64_t before = 0;
  for (const TrackState::Track& track : state.tracks()) {
    SM_RETURN_IF_ERROR(CheckTrack(track, shape));
    if (track.id() <= before || track.id() >= state.next_id()) {
      return Misfit(absl::StrCat("ID ", track.id(), " after ", before, " and before ",
                                 state.next_id(), " is out of order"));
    }
    before = track.id();
    if (track.hidden_frames() > 0) continue;
    if (taken[track.slot()]) return Misfit(absl::StrCat("slot ", track.slot(), " has two tracks"));
    taken[track.slot()] = true;
  }
  return absl::OkStatus();
}

absl::Status CheckFrame(const TrackState& state, const TrackShape& shape) {
  if (state.owners().empty() && state.shown().empty() && state.tracks().empty()) {
    return absl::OkStatus();  // before the first frame
  }
  SM_RETURN_IF_ERROR(CheckSize("owners", state.owners().size(), shape.cells()));
  SM_RETURN_IF_ERROR(CheckSize("shown", state.shown().size(), shape.num_slots));
  for (const char owner : state.owners()) {
    const auto slot = static_cast<uint8_t>(owner);
    if (slot >= shape.num_slots && slot != kNoOwner) {
      return Misfit(absl::StrCat("a cell belongs to slot ", static_cast<int>(slot),
                                 ", the model has ", shape.num_slots));
    }
  }
  for (const uint64_t id : state.shown()) {
    if (id >= state.next_id()) {
      return Misfit(absl::StrCat("ID ", id, " is shown, the next new one is ", state.next_id()));
    }
  }
  return absl::OkStatus();
}

template <typename T>
std::vector<double> Unit(const T& values) {
  double squares = 0;
  for (const auto value : values) squares += static_cast<double>(value) * value;
  const double length = std::sqrt(squares);
  std::vector<double> unit(values.size());
  if (!(length > 0) || !std::isfinite(length)) return unit;
  std::transform(values.begin(), values.end(), unit.begin(),
                 [length](auto value) { return value / length; });
  return unit;
}

}  // namespace

std::string SerializeTrackState(const TrackState& state) {
  TrackState stamped = state;
  stamped.set_version(kVersion);
  return stamped.SerializeAsString();
}

absl::StatusOr<TrackState> ParseTrackState(absl::string_view bytes, const TrackShape& shape) {
  if (bytes.size() > kMostBytes) {
    return Misfit(absl::StrCat(bytes.size(), " bytes, at most ", kMostBytes));
  }
  TrackState state;
  if (!state.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Misfit("the bytes are cut short or foreign");
  }
  if (!state.has_version() || state.version() != kVersion) {
    return Misfit(absl::StrCat("version ", state.has_version() ? state.version() : 0,
                               ", this build reads ", kVersion));
  }
  state.DiscardUnknownFields();
  SM_RETURN_IF_ERROR(CheckTracks(state, shape));
  SM_RETURN_IF_ERROR(CheckFrame(state, shape));
  return state;
}

std::string QuantizeDirection(absl::Span<const double> vector) {
  double largest = 0;
  for (const double value : vector) largest = std::max(largest, std::abs(value));
  std::string direction(vector.size(), '\0');
  if (largest == 0) return direction;
  for (size_t i = 0; i < vector.size(); ++i) {
    direction[i] = static_cast<char>(static_cast<int8_t>(std::lround(127 * vector[i] / largest)));
  }
  return direction;
}

std::vector<double> UnitVector(absl::Span<const float> vector) { return Unit(vector); }

std::vector<double> UnitVector(const std::string& direction) {
  return Unit(
      absl::MakeConstSpan(reinterpret_cast<const int8_t*>(direction.data()), direction.size()));
}

double Dot(absl::Span<const double> a, absl::Span<const double> b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace slotmatch
