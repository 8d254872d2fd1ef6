#pragma once

#include <cstdint>
#include <vector>

#include "core/weights/safetensors.h"

namespace slotmatch {

// A tensor that owns its bytes.
struct OwnedTensor {
  DType dtype;
  std::vector<int64_t> shape;
  std::vector<uint8_t> bytes;
  TensorView view() const { return {dtype, shape, absl::MakeSpan(bytes)}; }
};

OwnedTensor CopyTensor(const TensorView& tensor);

// Floating-point tensor as another floating-point type, round to nearest even. Other dtypes are
// returned unchanged.
OwnedTensor ConvertDType(const TensorView& tensor, DType dtype);

}  // namespace slotmatch
