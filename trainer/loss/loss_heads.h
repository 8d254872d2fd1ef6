#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/pimpl.h>

#include "slotmatch/config/train.pb.h"

namespace slotmatch {

// Layers that losses train with and no model needs: they are in checkpoints, not in model
// directories.
class LossHeadsImpl : public torch::nn::Module {
 public:
  // Makes what the losses of the config need. D, D': token widths of student and teacher, 0 without
  // a teacher.
  LossHeadsImpl(const config::TrainConfig& config, int64_t token_dim, int64_t teacher_token_dim);

  // Student reconstruction [..., D] -> [..., D'], linear; as it is where the widths agree.
  torch::Tensor ProjectReconstruction(const torch::Tensor& reconstruction);

 private:
  torch::nn::Linear reconstruction_{nullptr};
};
TORCH_MODULE(LossHeads);

}  // namespace slotmatch
