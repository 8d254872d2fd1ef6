#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/weights/safetensors.h"

namespace slotmatch {

// A tensor that owns its bytes.
struct OwnedTensor {
  DType dtype;
  std::vector<int64_t> shape;
  std::vector<uint8_t> bytes;
  TensorView view() const { return {dtype, shape, absl::MakeSpan(bytes)}; }
};

struct BackboneKeys {
  std::map<std::string, OwnedTensor> tensors;  // timm names: blocks.<i>.attn.qkv.weight, ...
  std::string convention;                      // "huggingface", "timm" or "torch-hub"
  std::vector<std::string> ignored;            // keys that are not part of the model
};

// DINOv2 weights in the names of Hugging Face, torch-hub or timm -> timm names without the final
// norm and the mask token. kDataLoss names the first key that fits none.
absl::StatusOr<BackboneKeys> MapBackboneKeys(const std::map<std::string, TensorView>& tensors);

// Floating-point tensor as another floating-point type, round to nearest even. Other dtypes are
// returned unchanged.
OwnedTensor ConvertDType(const TensorView& tensor, DType dtype);

}  // namespace slotmatch
