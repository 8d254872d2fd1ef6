#pragma once

#include "trainer/eval/contingency.h"

namespace slotmatch {

// Adjusted Rand index of objects and slots in float64 (slotcontrast/metrics.py): 0 is chance, 1 is
// perfect and also the value when its denominator is 0 (one object in one slot, no pixel, only
// single pixels).

// Over labelled pixels only (FG-ARI).
double FgAri(const Contingency& counts);
// Over all pixels; unlabelled ones and background are one more object.
double AriWithBackground(const Contingency& counts);

}  // namespace slotmatch
