#pragma once

#include <optional>

#include "trainer/eval/contingency.h"

namespace slotmatch {

// Which slot an object is compared with.
enum class Matching {
  kOverlap,    // the one with the highest IoU; several objects may share it (mBO)
  kHungarian,  // one-to-one with the highest sum of IoUs; objects left over count 0
  kIndex,      // slot c - 1 for object c
};

// IoU of object and slot, |slot| over all pixels; 0 when both are empty.
double PairIou(const Contingency& counts, int object, int slot);

// Mean IoU over the objects that have pixels (slotcontrast/metrics.py). Nothing when there are
// none, and for kIndex when an object has no slot of its index.
std::optional<double> MeanIou(const Contingency& counts, Matching matching);

}  // namespace slotmatch
