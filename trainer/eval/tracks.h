#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "trainer/eval/contingency.h"

namespace slotmatch {

// Identity switches of a video: how often the slot that owns most of an object's pixels (its main
// slot) is another one than in the last frame before it that shows the object, summed over objects.
// As the mismatches of CLEAR MOT (Bernardin and Stiefelhagen 2008), an object that is hidden for
// some frames and comes back in another slot counts once, and one that returns to an old slot
// counts again. Unlike there, several objects may have one main slot, and an object cannot be
// missed, because every pixel has a slot. Ties go to the slot of before, else to the lowest.
class IdentitySwitches {
 public:
  void AddFrame(const Contingency& frame);  // in the order of the video
  int64_t count() const { return count_; }

 private:
  std::vector<int> slot_of_;  // by object; -1 not seen yet
  int64_t count_ = 0;
};

// Mean over objects of the share of an object's pixels that its main slot owns. Nothing when there
// is no object.
std::optional<double> ObjectPurity(const Contingency& counts);

// Mean over slots that own labelled pixels of the share of these that belong to the slot's main
// object; unlabelled pixels do not count. Nothing when no slot owns any.
std::optional<double> SlotPurity(const Contingency& counts);

}  // namespace slotmatch
