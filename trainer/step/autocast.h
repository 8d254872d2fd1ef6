#pragma once

#include <ATen/autocast_mode.h>
#include <torch/types.h>

#include "slotmatch/config/train.pb.h"

namespace slotmatch {

// Matrix products of this thread in the precision of the config, while it lives (torch.autocast).
class Autocast {
 public:
  explicit Autocast(config::LoopConfig::Precision precision)
      : enabled_(precision == config::LoopConfig::BFLOAT16),
        before_(at::autocast::is_cpu_enabled()) {
    if (!enabled_) return;
    at::autocast::increment_nesting();
    at::autocast::set_autocast_cpu_dtype(at::kBFloat16);
    at::autocast::set_cpu_enabled(true);
  }
  ~Autocast() {
    if (!enabled_) return;
    at::autocast::set_cpu_enabled(before_);
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  }
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  const bool enabled_, before_;
};

// What autocast made narrow, as losses want it. Float64 and undefined stay as they are.
inline torch::Tensor Float32(const torch::Tensor& tensor) {
  return tensor.defined() && tensor.scalar_type() == torch::kBFloat16 ? tensor.to(torch::kFloat32)
                                                                      : tensor;
}

}  // namespace slotmatch
