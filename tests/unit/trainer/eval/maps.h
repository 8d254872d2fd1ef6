#pragma once

#include <string>

#include "core/image/mask_codec.h"
#include "trainer/eval/contingency.h"

namespace slotmatch {

// "1100/0022" -> a map of 4 x 2: one digit a pixel, one part a row.
inline LabelMap Map(const std::string& rows) {
  LabelMap map;
  for (const char c : rows + "/") {
    if (c == '/') {
      ++map.height;
    } else {
      map.labels.push_back(static_cast<uint8_t>(c - '0'));
    }
  }
  map.width = static_cast<int>(map.labels.size()) / map.height;
  return map;
}

// Both maps' pixels counted together.
inline Contingency Count(const LabelMap& truth, const LabelMap& prediction, int num_slots) {
  Contingency counts(num_slots);
  counts.Add(truth, prediction);
  return counts;
}
inline Contingency Count(const std::string& truth, const std::string& prediction,
                         int num_slots = 3) {
  return Count(Map(truth), Map(prediction), num_slots);
}

// The reference's vectors (4 x 4).
inline constexpr char kGtA[] = "1100/1100/0022/0022";
inline constexpr char kPredA[] = "0002/0122/2211/2212";
inline constexpr char kGtD[] = "0000/0110/0110/0000";
inline constexpr char kAllZero[] = "0000/0000/0000/0000";
inline constexpr char kSwapped[] = "2200/2200/0011/0011";

}  // namespace slotmatch
