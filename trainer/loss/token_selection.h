#pragma once

#include <torch/types.h>

namespace slotmatch {

// Entries `index` along `axis`; everything when index is undefined.
inline torch::Tensor SelectTokens(const torch::Tensor& tensor, int64_t axis,
                                  const torch::Tensor& index) {
  return index.defined() ? tensor.index_select(axis, index) : tensor;
}

}  // namespace slotmatch
