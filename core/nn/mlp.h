#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/pimpl.h>

#include <vector>

namespace slotmatch {

// Multi-layer perceptron under the reference's keys "layers.<i>" [slotcontrast
// modules/networks.py]: optional LayerNorm (eps 1e-5), then Linear and ReLU alternating, no
// activation at the end. Biases start at zero, weights at U(+-1/sqrt(fan_in)).
class MlpImpl : public torch::nn::Module {
 public:
  // widths: input, hidden..., output.
  MlpImpl(const std::vector<int64_t>& widths, bool initial_layer_norm);

  torch::Tensor forward(const torch::Tensor& x);  // [..., widths.front()] -> [..., widths.back()]

  // The linear layers, for callers that evaluate the network piecewise.
  const std::vector<torch::nn::Linear>& linears() const { return linears_; }

 private:
  torch::nn::Sequential layers_;
  std::vector<torch::nn::Linear> linears_;
};
TORCH_MODULE(Mlp);

}  // namespace slotmatch
