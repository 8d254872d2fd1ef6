#pragma once

#include <torch/types.h>

#include "core/nn/torch_compat.h"
#include "slotmatch/config/train.pb.h"

namespace slotmatch {

// Matrix products of this thread in the precision of the config, while it lives (torch.autocast).
class Autocast {
 public:
  Autocast(config::LoopConfig::Precision precision, const torch::Device& device)
      : device_(device.type()),
        enabled_(precision == config::LoopConfig::BFLOAT16),
        before_(compat::AutocastEnabled(device_)) {
    if (!enabled_) return;
    at::autocast::increment_nesting();
    compat::SetAutocastType(device_, at::kBFloat16);
    compat::SetAutocastEnabled(device_, true);
  }
  ~Autocast() {
    if (!enabled_) return;
    compat::SetAutocastEnabled(device_, before_);
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  }
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  const at::DeviceType device_;
  const bool enabled_, before_;
};

// What autocast made narrow, as losses want it. Float64 and undefined stay as they are.
inline torch::Tensor Float32(const torch::Tensor& tensor) {
  return tensor.defined() && tensor.scalar_type() == torch::kBFloat16 ? tensor.to(torch::kFloat32)
                                                                      : tensor;
}

}  // namespace slotmatch
