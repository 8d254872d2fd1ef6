#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "core/track/slot_grid.h"
#include "slotmatch/config/track.pb.h"

namespace slotmatch {

// What a stream's tracks carry from frame to frame: a value, owned by its stream. A new one is
// "before the first frame". At most K + max_hidden_tracks tracks, each of about S + 30 bytes, and N
// bytes of owners, whatever the stream's length.
using config::TrackState;

// The state as portable bytes, and back, exactly. kInvalidArgument names what does not fit: bytes
// cut short or foreign, another version, shapes other than `shape`, IDs that are out of order, not
// below the next one or shown without a track.
std::string SerializeTrackState(const TrackState& state);
absl::StatusOr<TrackState> ParseTrackState(absl::string_view bytes, const TrackShape& shape);

// Where a vector points, in signed bytes, the largest of them 127 or -127: [S]. All 0 for a vector
// that points nowhere: zero, or not finite.
std::string QuantizeDirection(absl::Span<const double> vector);
// A direction of unit length, [S]; all 0 where it points nowhere.
std::vector<double> UnitVector(absl::Span<const float> vector);
std::vector<double> UnitVector(const std::string& direction);
double Dot(absl::Span<const double> a, absl::Span<const double> b);

}  // namespace slotmatch
