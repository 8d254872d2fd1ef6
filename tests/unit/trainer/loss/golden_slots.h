#pragma once

#include <torch/types.h>

#include "tests/support/tiny_model.h"

namespace slotmatch {

// [B, T, K, S] = [2, 3, 2, 3] with the reference's fill.
inline torch::Tensor GoldenSlots(double tag) {
  return GoldenFill({2, 3, 2, 3}, tag, 1.0).set_requires_grad(true);
}

}  // namespace slotmatch
