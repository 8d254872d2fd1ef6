#include "core/engine/departures.h"

#include <algorithm>

namespace slotmatch {

void Departures::Left(absl::Time now) {
  constexpr int kMemory = 8;  // departures
  if (last_.has_value()) {
    const absl::Duration gap = now - *last_;
    gap_ = gap_.has_value() ? *gap_ + (gap - *gap_) / kMemory : gap;
  }
  last_ = now;
}

absl::Duration Departures::NextIn() const {
  const absl::Duration gap = gap_.value_or(absl::Seconds(1));
  return std::clamp(gap, absl::Milliseconds(100), absl::Seconds(60));
}

}  // namespace slotmatch
