#pragma once

#include <optional>
#include <vector>

#include "trainer/eval/contingency.h"

namespace slotmatch {

// `map` with `none` in every pixel that is inside its label: the square around it of half-width
// max(1, round(0.02 * diagonal)) lies in the picture and has no other label. What stays is, for
// every label at once, mask minus eroded mask (slotcontrast/metrics.py, masks_to_boundaries).
LabelMap Boundaries(const LabelMap& map, uint8_t none);

// Region similarity J and boundary F of every object and slot, averaged over frames as DAVIS does;
// a frame without the object counts 0. Not thread-safe.
class RegionAndBoundary {
 public:
  explicit RegionAndBoundary(int num_slots) : num_slots_(num_slots) {}

  // One frame: its pixels and the counts of the boundaries of both maps.
  void AddFrame(const Contingency& pixels, const Contingency& boundaries);
  void Add(const RegionAndBoundary& later_frames);

  struct Scores {
    double j_and_f = 0, jaccard = 0, boundary_f = 0;
  };
  // Mean over objects, matched with slots one-to-one for the highest sum of (J + F) / 2; objects
  // left over count 0. Nothing when there is no object.
  std::optional<Scores> Match() const;

 private:
  int num_objects() const { return static_cast<int>(present_.size()); }
  void Grow(int num_objects);

  int num_slots_;
  int64_t frames_ = 0;
  std::vector<double> jaccard_, boundary_f_;  // [C, K] sums over frames; row i is object i + 1
  std::vector<bool> present_;                 // [C] has a pixel in some frame
};

}  // namespace slotmatch
