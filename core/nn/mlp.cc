#include "core/nn/mlp.h"

#include <torch/torch.h>

namespace slotmatch {

MlpImpl::MlpImpl(const std::vector<int64_t>& widths, bool initial_layer_norm) {
  TORCH_CHECK(widths.size() >= 2, "an MLP needs an input and an output width");
  if (initial_layer_norm) {
    layers_->push_back(torch::nn::LayerNorm(torch::nn::LayerNormOptions({widths.front()})));
  }
  for (size_t i = 0; i + 1 < widths.size(); ++i) {
    torch::nn::Linear linear(widths[i], widths[i + 1]);
    torch::NoGradGuard no_grad;
    linear->bias.zero_();
    linears_.push_back(linear);
    layers_->push_back(linear);
    if (i + 2 < widths.size()) layers_->push_back(torch::nn::ReLU());
  }
  register_module("layers", layers_);
}

torch::Tensor MlpImpl::forward(const torch::Tensor& x) { return layers_->forward(x); }

}  // namespace slotmatch
