#pragma once

#include <cstdint>

namespace slotmatch {

// IEEE 754 binary16 from binary32: round to nearest even; overflow to infinity; NaN stays NaN.
uint16_t FloatToHalf(float value);
float HalfToFloat(uint16_t half);

// bfloat16 from binary32: round to nearest even; NaN stays NaN.
uint16_t FloatToBfloat16(float value);

}  // namespace slotmatch
