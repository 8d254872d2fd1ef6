#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace slotmatch {

// A metric's items in one video.
struct VideoItems {
  double sum = 0;
  int64_t items = 0;
};

struct Interval {
  double low = 0, high = 0;
};

// Means over the items of as many videos as there are, drawn with replacement, `draws` times. The
// videos of draw r depend on seed, r and their number only, so the results of two models on the
// same videos are pairs. NaN for a draw without items. Thread-safe.
std::vector<double> ResampledMeans(absl::Span<const VideoItems> videos, uint64_t seed, int draws);

// The interval that holds the middle `confidence` of the values (percentile bootstrap, linear
// between ranks), NaN left out; both ends NaN when none is left.
Interval PercentileInterval(std::vector<double> values, double confidence);

}  // namespace slotmatch
