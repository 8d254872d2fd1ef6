#pragma once

#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "client/bench/histogram.h"

namespace slotmatch {

// What came back during one stretch of a load.
struct LoadWindow {
  absl::Duration length;
  DurationHistogram latency;  // of results, from the time they were meant to be sent
  DurationHistogram added;    // the same less the time the model computed
  int64_t results = 0;
  int64_t errors = 0;   // FrameError
  int64_t dropped = 0;  // FrameDropped
  int64_t unsent = 0;   // frames the sender had to give up: its queue was full

  double results_per_second() const;
  void Merge(const LoadWindow& other);
};

// True when the last `count` windows agree: results per second and the latency at `quantile` of
// each differ from their mean by at most `tolerance` (0.1: 10 %). Too few windows, or one without
// results, are not stable.
bool Stable(const std::vector<LoadWindow>& windows, size_t count, double quantile,
            double tolerance);

}  // namespace slotmatch
