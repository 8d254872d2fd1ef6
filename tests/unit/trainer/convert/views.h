#pragma once

#include <torch/types.h>

#include <map>
#include <string>

#include "core/model/model_io.h"
#include "core/weights/key_mapping.h"

namespace slotmatch {

// Of contiguous tensors, which are borrowed.
inline TensorMap Views(const std::map<std::string, torch::Tensor>& tensors) {
  TensorMap views;
  for (const auto& [key, tensor] : tensors) views.emplace(key, ToView(tensor));
  return views;
}

}  // namespace slotmatch
