#include "tests/parity/tolerance.h"

namespace slotmatch::parity {

const std::vector<Tolerance>& ToleranceTable() {
  static const auto& rows = *new std::vector<Tolerance>{
      {Quantity::kForward, "forward", 1e-5, Scale::kTensor},
      {Quantity::kForward64, "forward, float64", 1e-9, Scale::kTensor},
      {Quantity::kGradient, "gradient", 1e-4, Scale::kGradient},
      {Quantity::kLoss, "loss", 1e-6, Scale::kEach},
      {Quantity::kCurve64, "curve, float64", 1e-9, Scale::kEach},
      {Quantity::kCurveLoss, "curve: loss", 1e-3, Scale::kEach},
      {Quantity::kCurveNorm, "curve: gradient norm", 1e-2, Scale::kEach},
      {Quantity::kFinal, "trained parameter", 1e-3, Scale::kOne},
      {Quantity::kRate, "learning rate", 1e-9, Scale::kEach},
      {Quantity::kMetric, "metric", 1e-9, Scale::kOne},
      {Quantity::kPixel, "pixel", 1e-5, Scale::kOne},
      {Quantity::kToken, "token of a picture", 1e-3, Scale::kOne},
      {Quantity::kEqual, "equal", 0, Scale::kOne},
  };
  return rows;
}

const Tolerance& ToleranceOf(Quantity quantity) {
  return ToleranceTable()[static_cast<size_t>(quantity)];
}

}  // namespace slotmatch::parity
