#pragma once

#include <cstdint>

namespace slotmatch {

// IEEE 754 binary16 from binary32: round to nearest even; overflow to infinity; NaN stays NaN.
uint16_t FloatToHalf(float value);
float HalfToFloat(uint16_t half);

}  // namespace slotmatch
