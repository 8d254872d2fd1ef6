#pragma once

#include <torch/types.h>

namespace slotmatch {

// Rows of length 1, as torch's normalize(dim=-1) makes them; a row of zeros stays one.
inline torch::Tensor UnitVectors(const torch::Tensor& rows) {
  constexpr double kMinNorm = 1e-12;
  return rows / rows.norm(2, -1, /*keepdim=*/true).clamp_min(kMinNorm);
}

}  // namespace slotmatch
