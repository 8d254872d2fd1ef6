#pragma once

#include <torch/types.h>

#include <initializer_list>
#include <string>

namespace slotmatch {

// One expected dimension: its letter (docs/shapes.md) and size; size -1 accepts any.
struct Dim {
  const char* letter;
  int64_t size = -1;
};

// Throws c10::Error "what: expected [B, N=256, D=384], got [2, 3]" unless `tensor` has these
// dimensions.
void CheckShape(const char* what, const torch::Tensor& tensor, std::initializer_list<Dim> expected);

}  // namespace slotmatch
