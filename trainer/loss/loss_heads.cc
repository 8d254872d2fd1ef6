#include "trainer/loss/loss_heads.h"

#include <torch/torch.h>

#include "trainer/loss/loss.h"

namespace slotmatch {

LossHeadsImpl::LossHeadsImpl(const config::TrainConfig& config, int64_t token_dim,
                             int64_t teacher_token_dim) {
  if (AnyLossNeeds(config, kNeedsTeacherReconstruction) && token_dim != teacher_token_dim) {
    reconstruction_ =
        register_module("reconstruction", torch::nn::Linear(token_dim, teacher_token_dim));
  }
}

torch::Tensor LossHeadsImpl::ProjectReconstruction(const torch::Tensor& reconstruction) {
  return reconstruction_.is_empty() ? reconstruction : reconstruction_->forward(reconstruction);
}

}  // namespace slotmatch
