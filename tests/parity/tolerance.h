#pragma once

#include <vector>

namespace slotmatch::parity {

// What a compared value is; decides how close it has to be.
enum class Quantity {
  kForward,
  kForward64,
  kGradient,
  kLoss,
  kCurve64,
  kCurveLoss,
  kCurveNorm,
  kFinal,
  kRate,
  kMetric,
  kPixel,
  kToken,
  kEqual,
};

// What an error is divided by before it meets the bound.
enum class Scale {
  kOne,       // nothing: an absolute bound
  kTensor,    // largest expected magnitude of the tensor
  kEach,      // the expected magnitude of each value
  kGradient,  // the tensor's largest, but at least 1/100 of the file's largest gradient
};

struct Tolerance {
  Quantity quantity;
  const char* name;
  double bound;
  Scale scale;
};

// The one table of bounds; a row per quantity, in the order of the enum.
const std::vector<Tolerance>& ToleranceTable();
const Tolerance& ToleranceOf(Quantity quantity);

// A gradient tensor is held to at least this share of the largest gradient of its file.
inline constexpr double kGradientFloor = 1e-2;

}  // namespace slotmatch::parity
